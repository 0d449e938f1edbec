"""Money: prices, the journal and payouts, all read from provenance."""
