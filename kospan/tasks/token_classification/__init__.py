"""Token classification: labelled spans by tagging units."""
