"""The HTTP door of compensation: balances, charges, statements and payouts."""
