"""Document -> searchable PDF 1.7: images of the pages, or the pages of a PDF, with invisible text over them."""
