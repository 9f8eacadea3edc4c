//! The widest vector instructions that the processor has.
//!
//! The program is compiled for any processor of a family; loops handed to [`wide`] are compiled
//! for the wider ones too, and the choice is made when they run. Results don't depend on it:
//! the same sums are formed in the same order.

use pulp::Arch;

/// Runs `work` with the widest instructions. Only what is inlined into it gains, so it is a
/// closure marked `#[inline(always)]` around a loop that takes much longer than a call.
#[inline(always)]
pub(crate) fn wide<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}
