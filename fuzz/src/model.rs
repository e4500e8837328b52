//! Model files, the plans that are made of them, and small ones' runs.

use std::sync::{Arc, LazyLock};

use endocast::exec::Session;
use endocast::kernels::cpu::{Cpu, Isa};
use endocast::kernels::registry::Policy;
use endocast::plan::{Options, Plan};
use endocast::weights::pack::ConvLayout;
use endocast::weights::{Graph, Model, ModelWriter, Preprocessing, Role, roles};

/// Most memory and work of a network that is run.
const MAX_BYTES: usize = 16 << 20;
const MAX_MACS: u64 = 4 << 20;

static POOL: LazyLock<rayon::ThreadPool> = LazyLock::new(|| {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.expect("a pool of one thread")
});

/// Reads `data` as a model file; if it starts as a graph's text does, as that text, a zero byte, and
/// bytes of which the weights are made.
pub fn run(data: &[u8]) {
    let model = if data.starts_with(b"input ") {
        let mut parts = data.splitn(2, |&byte| byte == 0);
        let [text, rest] = [(); 2].map(|()| parts.next().unwrap_or_default());
        let Some(file) = assembled(text, rest) else {
            return;
        };
        Model::from_bytes(&file).expect("what the writer writes is read")
    } else {
        let Ok(model) = Model::from_bytes(data) else {
            return;
        };
        let _ = model.verify_payload();
        model
    };
    let text = model.graph().to_string();
    assert_eq!(Graph::parse(&text).as_ref(), Ok(model.graph()));
    let grid = model.preprocessing().route.grid();
    let _ = Plan::new(model.graph(), [grid; 3], Options::default());
    execute(&Arc::new(model));
}

/// A model file around the graph `text`.
fn assembled(text: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let graph = Graph::parse(std::str::from_utf8(text).ok()?).ok()?;
    let outputs: Vec<String> = (0..graph.output()?.channels)
        .map(|channel| format!("output{channel}"))
        .collect();
    let preprocessing = format!(
        "route=brainmage-ma grid=32 outputs={} threshold=0.5",
        outputs.join(",")
    );
    let preprocessing: Preprocessing = preprocessing.parse().expect("outputs have plain names");
    let mut tensors = Vec::new();
    let mut total = 0;
    for node in 0..graph.nodes().len() {
        for &role in roles(&graph, node) {
            let channels = graph.nodes()[node].channels;
            let layout = ConvLayout::of(&graph, node).filter(|_| role == Role::Weight);
            total += layout
                .as_ref()
                .map_or(channels, |layout| layout.shape().iter().product());
            if total > MAX_BYTES / size_of::<f32>() {
                return None;
            }
            let len = layout.as_ref().map_or(channels, ConvLayout::logical_len);
            tensors.push((node, role, len));
        }
    }
    let mut bytes = bytes.iter().copied().chain((0..=255).rev()).cycle();
    let mut writer = ModelWriter::new("fuzzed", graph.clone(), &preprocessing);
    for (node, role, len) in tensors {
        let int8 = graph.quantisation(node).is_some();
        let values = bytes.by_ref().take(len).map(|byte| byte as i8);
        if int8 && role == Role::Weight {
            let values: Vec<i8> = values.map(|value| value / 2).collect();
            writer
                .int8_weights(node, &values)
                .expect("weights of half the range");
        } else {
            let positive = int8 && role == Role::Scale;
            let values = values.map(|value| {
                let value = f32::from(value) / 64.0;
                if positive { value.abs() + 0.01 } else { value }
            });
            let values: Vec<f32> = values.collect();
            writer.tensor(node, role, &values).expect("finite values");
        }
    }
    Some(
        writer
            .finish()
            .expect("a graph with its tensors is a model"),
    )
}

/// Runs a small network: the result does not depend on the threads or, of 8-bit integers, on the
/// instruction set.
fn execute(model: &Arc<Model>) {
    let mut expected: Option<Vec<u32>> = None;
    let cpu = Cpu::detect();
    for (isa, threads) in [
        (Isa::Avx512Vnni, 1),
        (Isa::Avx512Vnni, 3),
        (Isa::Avx2, 1),
        (Isa::Ssse3, 2),
        (Isa::Scalar, 1),
    ] {
        let mut policy = Policy::from(cpu.capped(isa));
        policy.portable_only = model.graph().is_quantised();
        let Some(plan) = small_plan(model.graph(), Options { threads, policy }) else {
            return;
        };
        let mut session = Session::new(model.clone(), plan).expect("a plan of this model");
        let image: Vec<f32> = (0..session.image_len())
            .map(|index| (index * 37 % 101) as f32 / 50.0 - 0.5)
            .collect();
        let mut result = vec![0.0; session.result_len()];
        POOL.install(|| session.run(&image, &mut result))
            .expect("image and result of the plan's size");
        let bits = result.iter().map(|value| {
            // Which NaN it is depends on the order of operands, which no instruction set fixes.
            let value = if value.is_nan() { f32::NAN } else { *value };
            value.to_bits()
        });
        let bits: Vec<u32> = bits.collect();
        let comparable = isa == Isa::Avx512Vnni || model.graph().is_quantised();
        match &expected {
            Some(expected) if comparable => {
                assert_eq!(expected, &bits, "{isa} on {threads} threads differs");
            }
            Some(_) => {}
            None => expected = Some(bits),
        }
    }
}

/// A plan on the smallest grid that suits, if it takes little memory and work.
fn small_plan(graph: &Graph, options: Options) -> Option<Plan> {
    let plan = [6, 8, 16]
        .iter()
        .find_map(|&edge| Plan::new(graph, [edge, edge + edge / 2 * 2, edge], options).ok())?;
    let bytes = plan.arena_bytes.saturating_add(plan.prepared_bytes());
    (bytes <= MAX_BYTES && plan.macs() <= MAX_MACS).then_some(plan)
}
