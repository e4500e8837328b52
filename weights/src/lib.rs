//! The endocast model file: format, graph, reader and writer.
