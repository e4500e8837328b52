//! Metrics against the values that `tools/py/dump_metrics.py` computed with SciPy.

use endocast::metrics::{Error, overlap, surface_distances};

/// `-` stands for a value that is not defined.
fn value(text: &str) -> Option<f64> {
    (text != "-").then(|| text.parse().unwrap())
}

fn check(name: &str, found: Option<f64>, text: &str) {
    let close = match (found, value(text)) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-6 * expected.abs(),
        (found, expected) => found == expected,
    };
    assert!(close, "{name}: {found:?} is not {text}");
}

#[test]
fn all_metrics_agree_with_scipy() {
    for (line, case) in include_str!("data/metrics.txt").lines().enumerate() {
        let fields: Vec<&str> = case.split(' ').collect();
        let shape = [0, 1, 2].map(|n| fields[n].parse().unwrap());
        let spacing = [3, 4, 5].map(|n| fields[n].parse().unwrap());
        let [mask, reference] =
            [6, 7].map(|n| -> Vec<u8> { fields[n].bytes().map(|digit| digit - b'0').collect() });

        let counts = overlap(&mask, &reference, shape, spacing).unwrap();
        check(&format!("{line} dice"), Some(counts.dice()), fields[8]);
        check(
            &format!("{line} sensitivity"),
            counts.sensitivity(),
            fields[9],
        );
        check(
            &format!("{line} specificity"),
            counts.specificity(),
            fields[10],
        );
        check(
            &format!("{line} volume error"),
            counts.volume_error(),
            fields[11],
        );

        let distances = surface_distances(&mask, &reference, shape, spacing).unwrap();
        check(
            &format!("{line} hd95"),
            distances.map(|d| d.hd95),
            fields[12],
        );
        check(
            &format!("{line} pooled hd95"),
            distances.map(|d| d.hd95_pooled),
            fields[13],
        );
        check(
            &format!("{line} hausdorff"),
            distances.map(|d| d.hausdorff),
            fields[14],
        );
        check(
            &format!("{line} mean"),
            distances.map(|d| d.mean),
            fields[15],
        );
    }
}

#[test]
fn volumes_are_in_millilitres() {
    let counts = overlap(&[1; 24], &[0; 24], [2, 3, 4], [2.0, 2.0, 2.5]).unwrap();
    assert!((counts.volume_ml() - 0.24).abs() < 1e-12);
    assert_eq!(counts.reference_volume_ml(), 0.0);
}

#[test]
fn bad_arguments_are_errors() {
    let shape = [2, 2, 2];
    let error = Error::Shape {
        shape,
        found: 8,
        reference: 7,
    };
    assert_eq!(
        overlap(&[0; 8], &[0; 7], shape, [1.0; 3]),
        Err(error.clone())
    );
    assert_eq!(
        surface_distances(&[0; 8], &[0; 7], shape, [1.0; 3]),
        Err(error)
    );
    let spacing = [1.0, -1.0, 1.0];
    let error = Error::Spacing(spacing);
    assert_eq!(
        overlap(&[0; 8], &[0; 8], shape, spacing),
        Err(error.clone())
    );
    assert_eq!(
        surface_distances(&[0; 8], &[0; 8], shape, spacing),
        Err(error)
    );
}
