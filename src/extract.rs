//! The whole way from a scan to its brain mask.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use endocast_kernels::registry::Policy;
use endocast_weights::Model;
use endocast_weights::preprocessing::Route;
use ndarray::{Array3, ArrayView3, ShapeBuilder};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::clock::Instant;
use crate::exec::{self, Session};
use crate::plan::{self, Plan};
use crate::post::{self, Restore};
use crate::pre::{self, Affine, Image};
use crate::qc::Certainty;
use crate::volume::{Geometry, Scan, with_voxels};

/// Why no mask could be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The network cannot be planned.
    Plan(plan::Error),
    /// The plan cannot be run.
    Exec(exec::Error),
    /// The scan cannot be brought onto the network's grid.
    Pre(pre::Error),
    /// The network's answer gives no mask.
    Post(post::Error),
    /// The model has no such output.
    Output(String),
    /// A threshold or a probability map was asked of a route that has neither.
    Fixed,
    /// Another number of images than the model reads at once.
    Channels {
        /// What the model reads.
        expected: usize,
        /// What there is.
        found: usize,
    },
    /// One of several images is on another grid than the first.
    Grid(usize),
    /// One of several images cannot be brought onto the network's grid.
    Channel(usize, pre::Error),
    /// The threads could not be started.
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        cause: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Plan(cause) => write!(f, "the network cannot be run: {cause}"),
            Error::Exec(cause) => write!(f, "the network cannot be run: {cause}"),
            Error::Pre(cause) => cause.fmt(f),
            Error::Post(cause) => cause.fmt(f),
            Error::Output(name) => write!(f, "the model has no output '{name}'"),
            Error::Fixed => f.write_str(
                "BrainMaGe's routes have a threshold of their own and give no probability map",
            ),
            Error::Channels { expected, found } => {
                write!(
                    f,
                    "the model reads {expected} images of a head at once, not {found}"
                )
            }
            Error::Grid(index) => {
                write!(f, "image {} is not on the grid of the first", index + 1)
            }
            Error::Channel(index, cause) => write!(f, "image {}: {cause}", index + 1),
            Error::Threads { threads, cause } => {
                write!(f, "cannot start {threads} threads: {cause}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// The exit code that the command has for it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Output(_) | Error::Fixed | Error::Channels { .. } => 2,
            Error::Post(post::Error::EmptyMask) => 7,
            Error::Pre(_) | Error::Post(_) | Error::Grid(_) | Error::Channel(..) => 3,
            Error::Plan(_) | Error::Exec(_) | Error::Threads { .. } => 6,
        }
    }
}

impl From<plan::Error> for Error {
    fn from(cause: plan::Error) -> Error {
        Error::Plan(cause)
    }
}

impl From<exec::Error> for Error {
    fn from(cause: exec::Error) -> Error {
        Error::Exec(cause)
    }
}

impl From<pre::Error> for Error {
    fn from(cause: pre::Error) -> Error {
        Error::Pre(cause)
    }
}

impl From<post::Error> for Error {
    fn from(cause: post::Error) -> Error {
        Error::Post(cause)
    }
}

/// How to extract.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads for everything; at least 1.
    pub threads: usize,
    /// Which kernels may run.
    pub policy: Policy,
    /// Least probability of a brain voxel; by default the model's own.
    pub threshold: Option<f32>,
    /// Name of the network output that becomes the mask.
    pub output: String,
}

impl Default for Options {
    fn default() -> Options {
        let plan::Options { threads, policy } = plan::Options::default();
        Options {
            threads,
            policy,
            threshold: None,
            output: "brain".into(),
        }
    }
}

/// A network ready to extract brains, one scan after another.
pub struct Extractor {
    model: Arc<Model>,
    session: Session,
    /// Its own threads; `None` to run in the caller's.
    pool: Option<ThreadPool>,
    threshold: f32,
    /// Position of the chosen output among the network's.
    channel: usize,
}

/// A brain mask and how it came about.
#[derive(Debug)]
pub struct Extraction {
    /// 1 in the brain, 0 outside; shape and order of the scan's voxels (first axis fastest).
    pub mask: Array3<u8>,
    /// Brain probability of every voxel of the scan, in the same order, where it was asked for.
    pub probabilities: Option<Array3<f32>>,
    /// How sure the network was, for [`crate::qc::inspect`]; `None` where no value of its own reaches the
    /// threshold, only their interpolation.
    pub certainty: Option<Certainty>,
    /// Time from the scan to the network's input.
    pub pre: Duration,
    /// Time in the network.
    pub network: Duration,
    /// Time from the network's output to the mask.
    pub post: Duration,
}

impl Extraction {
    /// Signed distance in mm from the mask's surface to every voxel of `geometry`, which is that of the
    /// scan; negative inside. Where it is at most `b` is the mask grown by `b` mm.
    ///
    /// # Errors
    /// An empty mask, or one of another shape.
    pub fn distance(&self, geometry: &Geometry) -> Result<Array3<f32>, post::Error> {
        let shape = geometry.shape;
        let mask: Vec<u8> = self.mask.t().iter().copied().collect();
        let distances = post::signed_distance(&mask, shape, geometry.spacing)?;
        let found = distances.len();
        let distances = Array3::from_shape_vec(shape.f(), distances);
        distances.map_err(|_| post::Error::Shape { shape, found })
    }
}

impl Extractor {
    /// Plans `model` on its own grid. The working memory is taken for each scan and given back before its
    /// mask is made. Made in a thread of a `rayon` pool, the extractor works in that pool, otherwise in one of
    /// its own.
    ///
    /// # Errors
    /// A network the engine cannot run, an unknown output, or threads that cannot be started.
    pub fn new(model: Model, options: &Options) -> Result<Extractor, Error> {
        let preprocessing = model.preprocessing();
        let channel = channel(&model, &options.output)?;
        check_channels(
            model.graph().input_channels(),
            preprocessing.route.channels(),
        )?;
        let threads = options.threads.max(1);
        let pool = pool(threads)?;
        let conforms = matches!(preprocessing.route, Route::Conform(_));
        if options.threshold.is_some() && !conforms {
            return Err(Error::Fixed);
        }
        let threshold = options.threshold.unwrap_or(preprocessing.threshold as f32);
        let plan_options = plan::Options {
            threads,
            policy: options.policy,
        };
        let plan = Plan::new(model.graph(), [preprocessing.route.grid(); 3], plan_options)?;
        let model = Arc::new(model);
        let session = Session::new(model.clone(), plan)?;
        Ok(Extractor {
            model,
            session,
            pool,
            threshold,
            channel,
        })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Makes another of the network's outputs the mask from now on.
    ///
    /// # Errors
    /// A name that the model does not have; the choice stays as it was.
    pub fn choose(&mut self, output: &str) -> Result<(), Error> {
        self.channel = channel(&self.model, output)?;
        Ok(())
    }

    /// The network's session, with its plan and timings.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Extracts the brain of `scan`; `probabilities` asks for the probability map too.
    ///
    /// # Errors
    /// A scan without contrast or without a brain; a map that the model's route does not give; a model
    /// that reads several images at once.
    pub fn extract(&mut self, scan: &Scan, probabilities: bool) -> Result<Extraction, Error> {
        self.extract_channels(&[scan], probabilities)
    }

    /// Extracts the brain of a head of which there are several images on one grid: for BrainMaGe's
    /// four-channel network T1, T2, contrast-enhanced T1 and FLAIR.
    ///
    /// # Errors
    /// As for [`extract`](Self::extract), and images on different grids.
    pub fn extract_channels(
        &mut self,
        scans: &[&Scan],
        probabilities: bool,
    ) -> Result<Extraction, Error> {
        let Extractor {
            model,
            session,
            pool,
            threshold,
            channel,
        } = self;
        let mut work = || {
            let start = Instant::now();
            let (image, prepared) = prepare(&model.preprocessing().route, scans)?;
            let pre = start.elapsed();

            let start = Instant::now();
            let mut result = vec![0.0; session.result_len()];
            session.run(&image, &mut result)?;
            session.release();
            drop(image);
            let network = start.elapsed();

            let start = Instant::now();
            let grid = session.plan().grid();
            let voxels = grid.iter().product::<usize>();
            let cube = &result[*channel * voxels..][..voxels];
            let cube = ArrayView3::from_shape(grid, cube).map_err(|_| post::Error::Shape {
                shape: grid,
                found: cube.len(),
            })?;
            let certainty = Certainty::new(cube, *threshold);
            let (mask, probabilities) =
                prepared.restore(cube, scans[0], *threshold, probabilities)?;
            let post = start.elapsed();
            Ok(Extraction {
                mask,
                probabilities,
                certainty,
                pre,
                network,
                post,
            })
        };
        match pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

/// Threads for an extractor that is made here: `None` in a thread that belongs to a pool already, and on a
/// platform that has no threads.
fn pool(threads: usize) -> Result<Option<ThreadPool>, Error> {
    let has_none = cfg!(all(target_family = "wasm", not(target_feature = "atomics")));
    if has_none || rayon::current_thread_index().is_some() {
        return Ok(None);
    }
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    let failed = |error: rayon::ThreadPoolBuildError| Error::Threads {
        threads,
        cause: error.to_string(),
    };
    pool.map(Some).map_err(failed)
}

/// Position of a named output among the network's.
fn channel(model: &Model, output: &str) -> Result<usize, Error> {
    let mut outputs = model.preprocessing().outputs.iter();
    let channel = outputs.position(|name| *name == output);
    channel.ok_or_else(|| Error::Output(output.into()))
}

/// What the way back needs to know of the way to the network.
pub(crate) enum Prepared {
    Conform(Affine),
    Agnostic(pre::brainmage::AgnosticPlan),
    Single,
    Multi4,
}

fn check_channels(expected: usize, found: usize) -> Result<(), Error> {
    match expected == found {
        true => Ok(()),
        false => Err(Error::Channels { expected, found }),
    }
}

/// Brings the images of a head onto the network's grid: `[channel][depth][height][width]` values.
pub(crate) fn prepare(route: &Route, scans: &[&Scan]) -> Result<(Vec<f32>, Prepared), Error> {
    check_channels(route.channels(), scans.len())?;
    let scan = scans[0];
    let geometry = scan.geometry();
    let scaling = scan.scaling();
    with_voxels!(scan.voxels(), |voxels| {
        let source = Image::new(voxels, geometry.shape, scaling.slope(), scaling.intercept())?;
        let (cube, prepared) = match route {
            Route::Conform(route) => {
                let conformed = pre::conform(route, &source, &geometry.affine)?;
                (conformed.voxels, Prepared::Conform(conformed.affine))
            }
            &Route::BrainmageMa { grid } => {
                let spacing = geometry.spacing;
                let (cube, plan) = pre::brainmage::prepare_agnostic(&source, spacing, grid)?;
                (cube, Prepared::Agnostic(plan))
            }
            &Route::BrainmageSingle { grid } => (
                pre::brainmage::prepare_single(&source, grid)?,
                Prepared::Single,
            ),
            &Route::BrainmageMulti4 { grid } => {
                return Ok((prepare_multi4(scans, grid)?, Prepared::Multi4));
            }
        };
        Ok((cube.into_raw_vec_and_offset().0, prepared))
    })
}

fn prepare_multi4(scans: &[&Scan], grid: usize) -> Result<Vec<f32>, Error> {
    let geometry = scans[0].geometry();
    post::brainmage::check_multi4(geometry.shape)?;
    let mut others = scans.iter().map(|scan| scan.geometry());
    if let Some(index) = others.position(|other| !other.is_same_grid(geometry)) {
        return Err(Error::Grid(index));
    }
    let mut image = Vec::with_capacity(scans.len() * grid.pow(3));
    for (index, scan) in scans.iter().enumerate() {
        let scaling = scan.scaling();
        let cube = with_voxels!(scan.voxels(), |voxels| {
            Image::new(voxels, geometry.shape, scaling.slope(), scaling.intercept())
                .and_then(|source| pre::brainmage::prepare_multi4(&source, geometry.spacing, grid))
        });
        let cube = cube.map_err(|cause| Error::Channel(index, cause))?;
        image.extend(cube);
    }
    Ok(image)
}

impl Prepared {
    /// From a cube of probabilities to the mask and, if wanted, the map on the scan's grid.
    fn restore(
        &self,
        cube: ArrayView3<f32>,
        scan: &Scan,
        threshold: f32,
        probabilities: bool,
    ) -> Result<(Array3<u8>, Option<Array3<f32>>), Error> {
        let geometry = scan.geometry();
        let shape = geometry.shape;
        let (mask, map) = match self {
            Prepared::Conform(affine) => {
                let restore = Restore::new(cube, affine, shape, &geometry.affine)?;
                let map = probabilities.then(|| restore.probabilities());
                (restore.mask(threshold)?, map)
            }
            _ if probabilities => return Err(Error::Fixed),
            Prepared::Agnostic(plan) => (post::brainmage::restore_agnostic(cube, plan)?, None),
            Prepared::Single => (post::brainmage::restore_single(cube, shape)?, None),
            Prepared::Multi4 => (post::brainmage::restore_multi4(cube, shape)?, None),
        };
        Ok((
            volume_of(shape, mask)?,
            map.map(|map| volume_of(shape, map)).transpose()?,
        ))
    }
}

fn volume_of<T>(shape: [usize; 3], voxels: Vec<T>) -> Result<Array3<T>, Error> {
    let found = voxels.len();
    let volume = Array3::from_shape_vec(shape.f(), voxels);
    volume.map_err(|_| Error::Pre(pre::Error::Shape { shape, found }))
}
