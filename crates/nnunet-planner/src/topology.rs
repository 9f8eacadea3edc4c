//! Which axes a U-Net pools how often, and the kernels of its stages.

use crate::{Rules, TopologyRule};

/// The shape of a U-Net for patches of one size, and that size made divisible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topology<const N: usize> {
    /// The patch, each edge rounded up to a multiple of its divisor.
    pub(crate) patch: [usize; N],
    /// 2 to the power of the number of poolings, per axis.
    pub(crate) divisor: [usize; N],
    /// Stride of each stage; the first is all ones.
    pub(crate) strides: Vec<[usize; N]>,
    /// Kernel of each stage; the last, the bottleneck's, is all threes.
    pub(crate) kernels: Vec<[usize; N]>,
}

impl<const N: usize> Topology<N> {
    /// Derives the topology for a patch (paper, online methods: network topology; the
    /// details are those of the published planners, see [`TopologyRule`]).
    ///
    /// Each pooling halves the axes whose spacing is like that of the finest axis and that keep
    /// the smallest feature map; convolutions span axes of like spacing. The patch may lie
    /// between two whole numbers of voxels, as the median of an even number of cases does.
    pub(crate) fn derive(rules: &Rules, spacing: [f64; N], patch: [f64; N]) -> Self {
        let mut state = State {
            spacing,
            size: patch,
            kernel: [1; N],
        };
        let mut divisor = [1; N];
        let mut strides = vec![[1; N]];
        let mut kernels = Vec::new();
        while let Some(pooled) = state.next_pooling(rules) {
            state.update_kernel(rules);
            kernels.push(state.kernel);
            strides.push(pooled.map(|p| if p { 2 } else { 1 }));
            for a in (0..N).filter(|a| pooled[*a]) {
                state.spacing[a] *= 2.0;
                state.size[a] = (state.size[a] / 2.0).ceil();
                divisor[a] *= 2;
            }
        }
        kernels.push([3; N]);
        Self {
            patch: std::array::from_fn(|a| {
                (patch[a] / divisor[a] as f64).ceil() as usize * divisor[a]
            }),
            divisor,
            strides,
            kernels,
        }
    }

    /// Features of each stage: doubled from one to the next, up to the cap.
    pub(crate) fn features(&self, base: usize, cap: usize) -> Vec<usize> {
        std::iter::successors(Some(base.min(cap)), |f| Some(f.saturating_mul(2).min(cap)))
            .take(self.strides.len())
            .collect()
    }
}

/// What is left of the patch after some poolings.
struct State<const N: usize> {
    spacing: [f64; N],
    size: [f64; N],
    kernel: [usize; N],
}

impl<const N: usize> State<N> {
    /// The axes of the next pooling; `None` if there are none left.
    fn next_pooling(&self, rules: &Rules) -> Option<[bool; N]> {
        let long = self
            .size
            .map(|edge| edge >= 2.0 * rules.min_feature_map_edge as f64);
        let compared = match rules.topology {
            TopologyRule::LargestGroup => [true; N],
            TopologyRule::Sticky => long,
        };
        let finest = smallest(self.spacing, compared);
        let pooled: [bool; N] =
            std::array::from_fn(|a| long[a] && self.spacing[a] / finest < rules.like_spacing_ratio);
        let single = pooled.iter().filter(|p| **p).count() == 1;
        let enough = 3.0 * rules.min_feature_map_edge as f64;
        let too_short = rules.topology == TopologyRule::Sticky
            && single
            && (0..N).any(|a| pooled[a] && self.size[a] < enough);
        (pooled.contains(&true) && !too_short).then_some(pooled)
    }

    fn update_kernel(&mut self, rules: &Rules) {
        match rules.topology {
            TopologyRule::LargestGroup => self.kernel = largest_group(rules, self.spacing),
            TopologyRule::Sticky => {
                let finest = smallest(self.spacing, [true; N]);
                for (kernel, spacing) in self.kernel.iter_mut().zip(self.spacing) {
                    if spacing / finest < rules.like_spacing_ratio {
                        *kernel = 3;
                    }
                }
            }
        }
    }
}

fn smallest<const N: usize>(values: [f64; N], among: [bool; N]) -> f64 {
    (0..N)
        .filter(|a| among[*a])
        .map(|a| values[a])
        .fold(f64::INFINITY, f64::min)
}

/// 3 along the first largest group of axes of like spacing, 1 along the others.
fn largest_group<const N: usize>(rules: &Rules, spacing: [f64; N]) -> [usize; N] {
    let alike = |a: usize, b: usize| {
        spacing[a] / spacing[b] < rules.like_spacing_ratio
            && spacing[b] / spacing[a] < rules.like_spacing_ratio
    };
    let mut largest = [1; N];
    for a in 0..N {
        let group: [usize; N] = std::array::from_fn(|b| if alike(a, b) { 3 } else { 1 });
        if group.iter().sum::<usize>() > largest.iter().sum() {
            largest = group;
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_isotropic_volume_is_pooled_evenly() {
        let t = Topology::derive(&Rules::paper(), [1.0; 3], [36.0, 50.0, 35.0]);
        assert_eq!(t.patch, [40, 56, 40]);
        assert_eq!(t.divisor, [8, 8, 8]);
        assert_eq!(t.strides, [[1; 3], [2; 3], [2; 3], [2; 3]]);
        assert_eq!(t.kernels, [[3; 3]; 4]);
        assert_eq!(t.features(32, 320), [32, 64, 128, 256]);
        assert_eq!(t.features(8, 20), [8, 16, 20, 20]);
    }

    #[test]
    fn a_coarse_axis_is_pooled_and_convolved_once_the_others_catch_up() {
        let t = Topology::derive(&Rules::paper(), [5.0, 1.56, 1.56], [18.0, 237.0, 208.0]);
        assert_eq!(t.patch, [20, 256, 224]);
        assert_eq!(t.strides[1..4], [[1, 2, 2], [2, 2, 2], [2, 2, 2]]);
        assert_eq!(t.kernels[..2], [[1, 3, 3], [3, 3, 3]]);
    }

    #[test]
    fn the_first_of_equal_groups_gets_the_kernel() {
        let kernel = largest_group(&Rules::paper(), [1.0, 4.0, 16.0]);
        assert_eq!(kernel, [3, 1, 1]);
    }

    #[test]
    fn a_patch_without_room_has_one_stage() {
        let t = Topology::derive(&Rules::paper(), [1.0; 2], [7.0, 7.0]);
        assert_eq!((t.strides.len(), t.patch), (1, [7, 7]));
    }
}
