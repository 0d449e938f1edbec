"""What people and regulators read: certificates, ingredients of a model, statements of reasons."""
