"""The MIME structure of a mail: header fields, parts, charsets, attachments."""
