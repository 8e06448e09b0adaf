//! Builds each room once, wires the handles, runs until told to stop. Reads top to bottom.
