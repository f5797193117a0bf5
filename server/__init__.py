"""The wiring: settings, app, executable schema, transports, media, REST and the command line."""
