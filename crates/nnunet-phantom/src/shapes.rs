use crate::random::{Field, Rotation, Vector, add, dot, scale, sub};

/// A solid, described by how deep a point lies in it: mm to the surface, about, and negative
/// outside.
pub(crate) trait Solid {
    fn depth(&self, p: Vector) -> f64;
}

/// An ellipsoid in any pose, its surface dented.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ellipsoid {
    pub(crate) centre: Vector,
    pub(crate) pose: Rotation,
    /// Half axes, mm.
    pub(crate) radii: Vector,
    pub(crate) dents: Field,
    /// Depth of the dents, mm.
    pub(crate) dent_depth: f64,
}

impl Solid for Ellipsoid {
    fn depth(&self, p: Vector) -> f64 {
        let q = self.pose.apply(sub(p, self.centre));
        let scaled = [0, 1, 2].map(|a| q[a] / self.radii[a]);
        let smallest = self.radii.iter().copied().fold(f64::MAX, f64::min);
        let depth = (1.0 - dot(scaled, scaled).sqrt()) * smallest;
        // The field costs more than the rest and cannot matter so far away.
        if depth < -2.0 * self.dent_depth {
            return depth;
        }
        depth + self.dent_depth * self.dents.at(p)
    }
}

/// A tube along a bent path, its radius changing evenly from end to end.
#[derive(Clone, Debug)]
pub(crate) struct Tube {
    path: Vec<Vector>,
    /// Radius at the first and the last point, mm.
    radii: [f64; 2],
}

impl Tube {
    /// Points of the path; enough that their polygon looks bent.
    const POINTS: usize = 25;

    /// Along the Bézier curve of these control points.
    pub(crate) fn along(control: [Vector; 4], radii: [f64; 2]) -> Self {
        let [a, b, c, d] = control;
        let path = (0..Self::POINTS)
            .map(|i| {
                let t = i as f64 / (Self::POINTS - 1) as f64;
                let s = 1.0 - t;
                let ends = add(scale(a, s * s * s), scale(d, t * t * t));
                let middle = add(scale(b, 3.0 * s * s * t), scale(c, 3.0 * s * t * t));
                add(ends, middle)
            })
            .collect();
        Self { path, radii }
    }
}

impl Solid for Tube {
    fn depth(&self, p: Vector) -> f64 {
        let [first, last] = self.radii;
        let segments = (self.path.len().max(2) - 1) as f64;
        (self.path.windows(2).enumerate())
            .filter_map(|(i, ends)| {
                let [a, b] = ends else { return None };
                let (along, to_p) = (sub(*b, *a), sub(p, *a));
                let t = (dot(along, to_p) / dot(along, along).max(1e-9)).clamp(0.0, 1.0);
                let off = sub(to_p, scale(along, t));
                let radius = first + (last - first) * (i as f64 + t) / segments;
                Some(radius - dot(off, off).sqrt())
            })
            .fold(f64::MIN, f64::max)
    }
}

/// Several balls melted into one lumpy body.
#[derive(Clone, Debug)]
pub(crate) struct Metaballs {
    /// Centre and reach of each ball, mm.
    pub(crate) balls: Vec<(Vector, f64)>,
}

impl Metaballs {
    /// The surface of a single ball lies where its field has this value: 0.65 of its reach.
    const SURFACE: f64 = 0.33;
}

impl Solid for Metaballs {
    fn depth(&self, p: Vector) -> f64 {
        let mut field = 0.0;
        let mut reach_sum = 0.0;
        for (centre, reach) in &self.balls {
            let off = sub(p, *centre);
            let rest = 1.0 - dot(off, off) / (reach * reach);
            if rest > 0.0 {
                field += rest * rest;
            }
            reach_sum += reach;
        }
        let reach = reach_sum / self.balls.len().max(1) as f64;
        if field == 0.0 {
            return -reach;
        }
        // The slope of one ball's field at its surface is about 1.5 per reach.
        (field - Self::SURFACE) * reach / 1.5
    }
}

/// A box in any pose with rounded edges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cuboid {
    pub(crate) centre: Vector,
    pub(crate) pose: Rotation,
    /// Half edges, mm.
    pub(crate) halves: Vector,
}

impl Cuboid {
    /// Coordinates along the edges, mm from the centre.
    pub(crate) fn local(&self, p: Vector) -> Vector {
        self.pose.apply(sub(p, self.centre))
    }
}

impl Solid for Cuboid {
    fn depth(&self, p: Vector) -> f64 {
        let q = self.local(p);
        let smallest = self.halves.iter().copied().fold(f64::MAX, f64::min);
        let rounding = 0.3 * smallest;
        let beyond = [0, 1, 2].map(|a| q[a].abs() - (self.halves[a] - rounding));
        let outside = beyond.map(|v| v.max(0.0));
        let inside = beyond.iter().copied().fold(f64::MIN, f64::max).min(0.0);
        rounding - dot(outside, outside).sqrt() - inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    fn pose() -> Rotation {
        Stream::new(3, 0, 0, Purpose::Anatomy).rotation()
    }

    #[test]
    fn depth_is_positive_inside_and_negative_outside() {
        let centre = [1.0, 2.0, 3.0];
        let ellipsoid = Ellipsoid {
            centre,
            pose: pose(),
            radii: [5.0, 6.0, 7.0],
            dents: Field::new(1, 5.0),
            dent_depth: 0.5,
        };
        let cuboid = Cuboid {
            centre,
            pose: pose(),
            halves: [5.0, 6.0, 7.0],
        };
        let metaballs = Metaballs {
            balls: vec![(centre, 6.0), ([3.0, 2.0, 3.0], 6.0)],
        };
        let path = [
            [-9.0, 2.0, 3.0],
            [-3.0, 2.0, 3.0],
            [3.0, 2.0, 3.0],
            [9.0, 2.0, 3.0],
        ];
        let tube = Tube::along(path, [3.0, 3.0]);
        let solids: [&dyn Solid; 4] = [&ellipsoid, &cuboid, &metaballs, &tube];
        for solid in solids {
            assert!(solid.depth(centre) > 2.0);
            assert!(solid.depth([1.0, 14.0, 3.0]) < -2.0);
        }
    }

    #[test]
    fn a_straight_tube_and_a_box_measure_distances() {
        let path = [
            [-9.0, 0.0, 0.0],
            [-3.0, 0.0, 0.0],
            [3.0, 0.0, 0.0],
            [9.0, 0.0, 0.0],
        ];
        let tube = Tube::along(path, [2.0, 4.0]);
        assert!((tube.depth([0.0, 5.0, 0.0]) - (3.0 - 5.0)).abs() < 0.05);
        assert!((tube.depth([9.0, 0.0, 0.0]) - 4.0).abs() < 1e-9);
        let cuboid = Cuboid {
            centre: [0.0; 3],
            pose: Stream::new(3, 0, 0, Purpose::Anatomy).tilt(0.0),
            halves: [4.0, 5.0, 6.0],
        };
        assert!((cuboid.depth([7.0, 0.0, 0.0]) + 3.0).abs() < 1e-9);
        assert!((cuboid.depth([0.0, 4.0, 0.0]) - 1.0).abs() < 1e-9);
    }
}
