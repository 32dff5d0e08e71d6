"""As whom: From identity, server, keys and limits, and the transports behind them."""
