"""What was asked and what came back: order, cost and shares of the work."""
