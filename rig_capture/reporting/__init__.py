"""How good a session is: what is read out of its streams, and a page that shows it; it works on finished sessions only."""
