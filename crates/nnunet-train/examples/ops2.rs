#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
use tch::*;
fn cpu() -> f64 {
    let t = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    t.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
fn bench(name: &str, f: impl Fn() -> Tensor, grad: &Tensor, leaves: &[&Tensor]) {
    let n = 20;
    let mut best = (f64::MAX, f64::MAX);
    for _ in 0..3 {
        let mut fw = 0.0;
        let mut bw = 0.0;
        for _ in 0..n {
            let a = cpu();
            let y = f();
            let b = cpu();
            // a gradient of the layout of `grad`
            let s = (&y * grad).sum(Kind::Float);
            let c = cpu();
            let g = Tensor::run_backward(&[&s], leaves, false, false);
            let d = cpu();
            drop(g);
            fw += b - a;
            bw += d - c;
        }
        best = (best.0.min(fw / n as f64), best.1.min(bw / n as f64));
    }
    println!(
        "{name:30} fwd {:.2} ms  bwd {:.2} ms",
        best.0 * 1e3,
        best.1 * 1e3
    );
}
fn main() {
    set_num_threads(1);
    let o = (Kind::Float, Device::Cpu);
    let r = |s: &[i64]| Tensor::randn(s, o).set_requires_grad(true);
    let to_cl = |x: &Tensor| {
        no_grad(|| {
            x.detach()
                .permute([0, 2, 3, 4, 1])
                .contiguous()
                .permute([0, 4, 1, 2, 3])
        })
        .set_requires_grad(true)
    };
    let x = r(&[2, 8, 40, 56, 40]);
    let cl = to_cl(&x);
    let gp = x.detach();
    let gc = cl.detach();
    let g16 = to_cl(&r(&[2, 16, 40, 56, 40])).detach();
    let perm = |x: &Tensor| {
        x.permute([0, 2, 3, 4, 1])
            .contiguous()
            .permute([0, 4, 1, 2, 3])
    };
    let nw = r(&[8]);
    let nb = r(&[8]);
    let gn = |x: &Tensor| x.group_norm(8, Some(&nw), Some(&nb), 1e-5, true);
    bench("id plain", || &x * 1.0, &gp, &[&x]);
    bench("id cl", || &cl * 1.0, &gc, &[&cl]);
    bench("gn plain, grad plain", || gn(&x), &gp, &[&x]);
    bench("gn plain, grad cl", || gn(&x), &gc, &[&x]);
    bench(
        "in plain, grad plain",
        || x.instance_norm(Some(&nw), Some(&nb), None, None, true, 0.0, 1e-5, true),
        &gp,
        &[&x],
    );
    bench("cl->plain", || cl.contiguous(), &gp, &[&cl]);
    bench("plain->cl", || perm(&x), &gc, &[&x]);
    bench("leaky plain", || x.leaky_relu(), &gp, &[&x]);
    bench("leaky cl", || cl.leaky_relu(), &gc, &[&cl]);
    bench("leaky plain, grad cl", || x.leaky_relu(), &gc, &[&x]);
    bench(
        "whole a: cl plain gn leaky_ cl",
        || perm(&gn(&cl.contiguous()).leaky_relu_()),
        &gc,
        &[&cl, &nw, &nb],
    );
    bench(
        "whole b: cl plain gn cl leaky",
        || perm(&gn(&cl.contiguous())).leaky_relu(),
        &gc,
        &[&cl, &nw, &nb],
    );
    bench("cat cl", || Tensor::cat(&[&cl, &cl], 1), &g16, &[&cl]);
    bench(
        "cat plain",
        || Tensor::cat(&[&x, &x], 1),
        &g16.contiguous(),
        &[&x],
    );
    bench(
        "cat plain then cl",
        || perm(&Tensor::cat(&[&x, &x], 1)),
        &g16,
        &[&x],
    );
    // norm in channels-last by hand
    let hand = |x: &Tensor| {
        let (var, mean) = x.var_mean_dim(&[2i64, 3, 4][..], false, true);
        let scale = (var + 1e-5).rsqrt() * nw.view([1, 8, 1, 1, 1]);
        let shift = nb.view([1, 8, 1, 1, 1]) - mean * &scale;
        Tensor::addcmul(&shift, x, &scale)
    };
    bench("hand norm cl", || hand(&cl), &gc, &[&cl, &nw, &nb]);
    bench("hand norm plain", || hand(&x), &gp, &[&x, &nw, &nb]);
    // batch norm per sample in channels last
    let bn = |x: &Tensor| {
        let parts: Vec<Tensor> = (0..2)
            .map(|i| {
                x.narrow(0, i, 1).batch_norm(
                    Some(&nw),
                    Some(&nb),
                    None::<&Tensor>,
                    None::<&Tensor>,
                    true,
                    0.0,
                    1e-5,
                    false,
                )
            })
            .collect();
        Tensor::cat(&parts, 0)
    };
    bench("bn cl + cat", || bn(&cl), &gc, &[&cl, &nw, &nb]);
    let one = no_grad(|| cl.narrow(0, 0, 1).copy()).set_requires_grad(true);
    let g1 = one.detach();
    bench(
        "bn cl one sample",
        || {
            one.batch_norm(
                Some(&nw),
                Some(&nb),
                None::<&Tensor>,
                None::<&Tensor>,
                true,
                0.0,
                1e-5,
                false,
            )
        },
        &g1,
        &[&one, &nw, &nb],
    );
}
