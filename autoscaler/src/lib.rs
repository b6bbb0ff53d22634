//! From load to scale: windows, the KPA decision, scale to zero, the wake.
pub mod collector;
pub mod decide;
pub mod delay;
pub mod spec;
pub mod window;
pub mod drain;
pub mod scale;
pub mod status;
