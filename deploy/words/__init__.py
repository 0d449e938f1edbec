"""Words that people read: found in code and templates, kept in catalogs, none left unmarked."""
