"""What is wrong with a message as it leaves? Rules on its final bytes; codes NL700 to NL799."""
