"""Journeys: from upload to payout, as users go."""
