"""Other makers' sides of VDA 5050, as processes of their own."""
