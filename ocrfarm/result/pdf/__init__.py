"""Document -> searchable PDF: the pages as images, or as they were in a PDF, under text that nobody sees."""
