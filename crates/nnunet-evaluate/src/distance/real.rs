/// A floating-point number that distances are stored as: `f32` or `f64`.
pub trait Real: Copy + PartialEq + Send + Sync + sealed::Sealed + 'static {
    /// Positive infinity.
    const INFINITY: Self;
    /// Zero.
    const ZERO: Self;
    /// The nearest number of this type.
    fn from_f64(value: f64) -> Self;
    /// This number in double precision.
    fn to_f64(self) -> f64;
    /// The square root.
    #[must_use]
    fn root(self) -> Self;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

impl Real for f32 {
    const INFINITY: Self = f32::INFINITY;
    const ZERO: Self = 0.0;
    fn from_f64(value: f64) -> Self {
        value as Self
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn root(self) -> Self {
        self.sqrt()
    }
}

impl Real for f64 {
    const INFINITY: Self = f64::INFINITY;
    const ZERO: Self = 0.0;
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f64(self) -> f64 {
        self
    }
    fn root(self) -> Self {
        self.sqrt()
    }
}
