"""What a rig is: frozen models, where their values come from, and the list of nodes a profile yields."""
