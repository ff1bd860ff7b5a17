"""Events to where they are wanted: a spool on disk, one courier a sink, and the sinks."""
