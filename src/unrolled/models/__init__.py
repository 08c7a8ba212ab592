"""Models: recurrent layers with what stands before and behind them."""
