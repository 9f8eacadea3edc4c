#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]
#[derive(Clone, Copy)]
struct Instant(f64);
fn wall() -> bool {
    std::env::var("NN_WALL").is_ok()
}
impl Instant {
    fn now() -> Self {
        if wall() {
            static S: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
            return Instant(
                S.get_or_init(std::time::Instant::now)
                    .elapsed()
                    .as_secs_f64(),
            );
        }
        let t = std::fs::read_to_string("/proc/self/schedstat").unwrap();
        Instant(t.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9)
    }
    fn elapsed(&self) -> std::time::Duration {
        Instant::now() - *self
    }
}
impl std::ops::Sub for Instant {
    type Output = std::time::Duration;
    fn sub(self, o: Self) -> std::time::Duration {
        std::time::Duration::from_secs_f64(self.0 - o.0)
    }
}

use nnunet_model::*;
use nnunet_train::loss::DicePooling;
use nnunet_train::*;
use tch::Kind;
fn main() {
    let n: usize = std::env::var("NN_THREADS").map_or(2, |v| v.parse().unwrap());
    tch::set_num_threads(n as i32);
    let base: usize = std::env::var("NN_F").map_or(8, |v| v.parse().unwrap());
    let patch = [40, 56, 40];
    let r = serde_json::json!({"is_seg": false, "order": 1});
    let c: nnunet_schema::Configuration = serde_json::from_value(serde_json::json!({
        "data_identifier": "x", "preprocessor_name": "D", "batch_size": 2,
        "patch_size": patch, "median_image_size_in_voxels": patch, "spacing": [1.0,1.0,1.0],
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [false], "resampling_fn_data": "f", "resampling_fn_seg": "f",
        "resampling_fn_data_kwargs": r, "resampling_fn_seg_kwargs": r,
        "resampling_fn_probabilities": "f", "resampling_fn_probabilities_kwargs": r,
        "architecture": {"network_class_name": "PlainConvUNet", "arch_kwargs": {
        "n_stages": 4, "features_per_stage": [base, 2*base, 4*base, 8*base],
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[3,3,3],[3,3,3],[3,3,3],[3,3,3]],
        "strides": [[1,1,1],[2,2,2],[2,2,2],[2,2,2]],
        "n_conv_per_stage": [2,2,2,2], "n_conv_per_stage_decoder": [2,2,2], "conv_bias": true,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": true}, "dropout_op": null,
        "dropout_op_kwargs": null, "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": true}}, "_kw_requires_import": []}, "batch_dice": false}))
    .unwrap();
    let labels: nnunet_schema::DatasetDescription = serde_json::from_value(serde_json::json!({"channel_names": {"0":"a"}, "labels": {"background":0,"a":1,"b":2}, "numTraining": 2, "file_ending": ".nii.gz"})).unwrap();
    let net = UNet::new(&c, 1, 3, Device::Cpu).unwrap();
    let loss = SegmentationLoss::new(
        &labels.label_scheme().unwrap(),
        DicePooling::Sample,
        vec![2. / 3., 1. / 3., 0.],
        Device::Cpu,
    )
    .unwrap();
    let mut sgd = Sgd::new(net.parameters(), &TrainingConfig::default()).unwrap();
    let x = Tensor::randn([2, 1, 40, 56, 40], (Kind::Float, Device::Cpu));
    let t = [
        Tensor::randint(3, [2, 40, 56, 40], (Kind::Int16, Device::Cpu)),
        Tensor::randint(3, [2, 20, 28, 20], (Kind::Int16, Device::Cpu)),
    ];
    let mut best = [f64::MAX; 6];
    let mut all = vec![];
    for _ in 0..std::env::var("NN_N").map_or(12, |v| v.parse().unwrap()) {
        let t0 = Instant::now();
        let o = net.forward_outputs(&x, 2).unwrap();
        let t1 = Instant::now();
        let l = loss.total(&o, &t).unwrap();
        let t2 = Instant::now();
        drop(o);
        let b = sgd.backward(&l).unwrap();
        drop(l);
        let t3 = Instant::now();
        sgd.step(0.01, b.gradient_norm).unwrap();
        let t4 = Instant::now();
        for (b, d) in best
            .iter_mut()
            .zip([t1 - t0, t2 - t1, t3 - t2, t4 - t3, t4 - t0])
        {
            *b = b.min(d.as_secs_f64());
        }
        all.push((t4 - t0).as_secs_f64());
    }
    let i = Instant::now();
    let _ = net.infer(&x).unwrap();
    let inf = i.elapsed().as_secs_f64();
    all.sort_by(f64::total_cmp);
    println!(
        "forward {:.4} loss {:.4} backward {:.4} step {:.4} | total best {:.4} median {:.4} | infer {:.4}",
        best[0],
        best[1],
        best[2],
        best[3],
        best[4],
        all[all.len() / 2],
        inf
    );
}
