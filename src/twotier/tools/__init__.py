"""What an agent may use: each tool is one file, labelled, and knows nothing of models."""
