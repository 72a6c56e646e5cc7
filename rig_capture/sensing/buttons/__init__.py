"""A button with its lamp and its buzzer."""
