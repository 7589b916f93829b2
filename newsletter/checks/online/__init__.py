"""Do the links and pictures that an issue takes from the web exist? The only checks that ask anybody."""
