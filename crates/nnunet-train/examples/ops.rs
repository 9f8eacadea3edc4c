#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
use tch::*;
fn cpu() -> f64 { let t = std::fs::read_to_string("/proc/self/schedstat").unwrap(); t.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9 }
fn main() {
    set_num_threads(1);
    let o = (Kind::Float, Device::Cpu);
    let r = |s: &[i64]| Tensor::randn(s, o).set_requires_grad(true);
    let nw = |c: i64| r(&[c]);
    for (b, c, e) in [(4, 8, 192), (4, 32, 192), (4, 64, 96), (4, 128, 48), (4, 512, 8)] {
        let w = r(&[c, c, 3, 3]); let (nw, nb) = (nw(c), nw(c));
        let x = r(&[b, c, e, e]);
        let cl = no_grad(|| x.detach().permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])).set_requires_grad(true);
        let gp = x.detach(); let gc = cl.detach();
        let conv = |x: &Tensor| x.convolution(&w, None::<&Tensor>, [1, 1], [1, 1], [1, 1], false, [0, 0], 1);
        let perm = |x: &Tensor| x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        let plain_in = || conv(&x).instance_norm(Some(&nw), Some(&nb), None, None, true, 0.0, 1e-5, true).leaky_relu_();
        let plain_gn = || conv(&x).group_norm(c, Some(&nw), Some(&nb), 1e-5, true).leaky_relu_();
        let mixed = || perm(&conv(&cl).contiguous().group_norm(c, Some(&nw), Some(&nb), 1e-5, true)).leaky_relu();
        let variants: [(&str, &dyn Fn() -> Tensor, &Tensor, &Tensor); 3] = [("plain in", &plain_in, &gp, &x), ("plain gn", &plain_gn, &gp, &x), ("mixed", &mixed, &gc, &cl)];
        for (name, f, g, x) in variants {
            let mut best = (f64::MAX, f64::MAX);
            for _ in 0..3 { let (mut fw, mut bw) = (0.0, 0.0);
                for _ in 0..4 { let a = cpu(); let y = f(); let b = cpu(); let s = (&y * g).sum(Kind::Float); let c = cpu(); let q = Tensor::run_backward(&[&s], &[x, &w, &nw, &nb], false, false); let d = cpu(); drop(q); fw += b - a; bw += d - c; }
                best = (best.0.min(fw / 4.0), best.1.min(bw / 4.0)); }
            println!("{c} ch {e}² x{b} {name:10} fwd {:.1} bwd {:.1} ms", best.0 * 1e3, best.1 * 1e3);
        }
    }
}
