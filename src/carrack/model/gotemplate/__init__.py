"""Go templates, as far as users of Docker write them: in formats of listings and in tags of logs."""
