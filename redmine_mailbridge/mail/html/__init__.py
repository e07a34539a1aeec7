"""An HTML part: read, quoted text found, written as markup."""
