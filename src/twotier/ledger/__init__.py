"""Money: prices, cost and budgets (pure), and the book, which keeps every attempt on disk."""
