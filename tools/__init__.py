"""What the house needs beside the program: its environment, its generated docs, its floors."""
