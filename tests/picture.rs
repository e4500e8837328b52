//! Pictures of scans: size, orientation, outlines, and the PNG file.

mod common;

use common::{BRAIN_MM, SPACING, head};
use endocast::picture::{GREEN, ORANGE, Outline, Picture};
use endocast::volume::{FourD, Scan};
use ndarray::{Array3, ShapeBuilder};

const SHAPE: [usize; 3] = [40, 44, 36];

/// The phantom head, whose first axis points to the left.
fn scan() -> Scan {
    Scan::from_bytes(&head(SHAPE).file(), "head.nii", FourD::First).unwrap()
}

/// A mask of the box from `first` to `end`, in voxels.
fn boxed(first: [usize; 3], end: [usize; 3]) -> Array3<u8> {
    Array3::from_shape_fn(SHAPE.f(), |(i, j, k)| {
        let at = [i, j, k];
        u8::from((0..3).all(|axis| (first[axis]..end[axis]).contains(&at[axis])))
    })
}

/// Columns and rows that hold a colour, as first and last.
fn extent(picture: &Picture, colour: [u8; 3], columns: std::ops::Range<usize>) -> [[usize; 2]; 2] {
    let [_, height] = picture.size();
    let mut found = [[usize::MAX, 0]; 2];
    for (x, y) in columns.flat_map(|x| (0..height).map(move |y| (x, y))) {
        if picture.pixel(x, y) == Some(colour) {
            for (range, value) in found.iter_mut().zip([x, y]) {
                *range = [range[0].min(value), range[1].max(value)];
            }
        }
    }
    found
}

#[test]
fn planes_lie_side_by_side_at_their_true_size() {
    let picture = Picture::three_planes(&scan(), &[], 1.0).unwrap();
    // 120 mm to the right, 110 mm to the front, 108 mm up.
    assert_eq!(picture.size(), [120 + 4 + 120 + 4 + 110, 110]);
    let half = Picture::three_planes(&scan(), &[], 2.0).unwrap();
    assert_eq!(half.size(), [60 + 4 + 60 + 4 + 55, 55]);
    // The brain is bright, the corner dark.
    let bright = |x, y| picture.pixel(x, y).unwrap()[0] > 128;
    assert!(bright(60, 55) && bright(60 + BRAIN_MM as usize - 4, 55));
    assert!(!bright(2, 2));
    assert_eq!(picture.pixel(358, 0), None);
}

#[test]
fn the_right_of_the_head_is_on_the_right_and_the_top_on_top() {
    // Voxel axes point left, anterior and superior: these are the last voxels of all of them.
    let mask = boxed([30, 34, 26], [40, 44, 36]);
    let outlines = [Outline {
        mask: &mask,
        colour: ORANGE,
    }];
    let picture = Picture::three_planes(&scan(), &outlines, 1.0).unwrap();
    // Bilinear sampling puts the border half-way between voxel centres.
    assert_eq!(extent(&picture, ORANGE, 0..120), [[0, 29], [0, 24]]);
    // 108 mm high, at the bottom of a picture of 110.
    assert_eq!(
        extent(&picture, ORANGE, 124..244),
        [[124, 124 + 29], [2, 2 + 29]]
    );
    let sagittal = 248;
    assert_eq!(
        extent(&picture, ORANGE, sagittal..358),
        [[sagittal + 85, sagittal + 109], [2, 31]]
    );
}

#[test]
fn a_line_follows_the_border_and_later_ones_win() {
    let mask = boxed([10, 10, 10], [30, 30, 26]);
    let outlines = [
        Outline {
            mask: &mask,
            colour: ORANGE,
        },
        Outline {
            mask: &mask,
            colour: GREEN,
        },
    ];
    let picture = Picture::three_planes(&scan(), &outlines, 1.0).unwrap();
    assert_eq!(extent(&picture, ORANGE, 0..358)[0][0], usize::MAX);
    let count = (0..120)
        .flat_map(|x| (0..110).map(move |y| (x, y)))
        .filter(|&(x, y)| picture.pixel(x, y) == Some(GREEN))
        .count();
    // The border of 60 x 50 pixels without its corners, which bilinear sampling rounds off.
    assert_eq!(count, 2 * (58 + 48));
}

#[test]
fn a_mask_of_another_shape_is_an_error() {
    let mask = Array3::zeros([40, 44, 35]);
    let outlines = [Outline {
        mask: &mask,
        colour: ORANGE,
    }];
    let error = Picture::three_planes(&scan(), &outlines, 1.0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a mask of [40, 44, 35] voxels does not fit a scan of [40, 44, 36]"
    );
}

#[test]
fn the_file_holds_the_pixels() {
    let mask = boxed([10, 10, 10], [30, 30, 26]);
    let outlines = [Outline {
        mask: &mask,
        colour: GREEN,
    }];
    let picture = Picture::three_planes(&scan(), &outlines, SPACING[1].into()).unwrap();
    let mut file = Vec::new();
    picture.write_png(&mut file).unwrap();

    let decoder = png::Decoder::new(std::io::Cursor::new(&file));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let [width, height] = picture.size();
    assert_eq!(
        [info.width, info.height].map(|n| n as usize),
        [width, height]
    );
    for (index, pixel) in pixels.chunks_exact(3).enumerate() {
        assert_eq!(
            picture.pixel(index % width, index / width).unwrap(),
            pixel[..]
        );
    }
}
