"""What makes pages: one offline HTML file each, that computes in the browser."""
