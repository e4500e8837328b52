//! Mesh files.

use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::{Error, Mesh};
use crate::base64::base64;

/// A mesh file's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Wavefront OBJ: lines of text.
    Obj,
    /// GIFTI 1.0: XML with compressed arrays.
    Gifti,
}

impl Format {
    /// The format that a file name's suffix stands for.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownSuffix`].
    pub fn of(path: &Path) -> Result<Format, Error> {
        let suffix = path.extension().unwrap_or_default();
        if suffix.eq_ignore_ascii_case("obj") {
            Ok(Format::Obj)
        } else if suffix.eq_ignore_ascii_case("gii") {
            Ok(Format::Gifti)
        } else {
            Err(Error::UnknownSuffix { path: path.into() })
        }
    }
}

impl Mesh {
    /// Writes the mesh; coordinates are RAS mm in both formats.
    ///
    /// # Errors
    ///
    /// Those of `file`.
    pub fn write(&self, file: &mut dyn Write, format: Format) -> io::Result<()> {
        match format {
            Format::Obj => self.write_obj(file),
            Format::Gifti => self.write_gifti(file),
        }
    }

    fn write_obj(&self, file: &mut dyn Write) -> io::Result<()> {
        for [x, y, z] in &self.vertices {
            writeln!(file, "v {x} {y} {z}")?;
        }
        for triangle in &self.triangles {
            let [a, b, c] = triangle.map(|index| index + 1);
            writeln!(file, "f {a} {b} {c}")?;
        }
        Ok(())
    }

    fn write_gifti(&self, file: &mut dyn Write) -> io::Result<()> {
        let coordinates = self.vertices.as_flattened().iter();
        let coordinates: Vec<u8> = coordinates.flat_map(|value| value.to_le_bytes()).collect();
        let indices = self.triangles.as_flattened().iter();
        let indices: Vec<u8> = indices.flat_map(|value| value.to_le_bytes()).collect();
        writeln!(file, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
        writeln!(file, r#"<GIFTI Version="1.0" NumberOfDataArrays="2">"#)?;
        let points = Array {
            intent: "POINTSET",
            datatype: "FLOAT32",
            rows: self.vertices.len(),
            inside: "<CoordinateSystemTransformMatrix>\
                <DataSpace><![CDATA[NIFTI_XFORM_SCANNER_ANAT]]></DataSpace>\
                <TransformedSpace><![CDATA[NIFTI_XFORM_SCANNER_ANAT]]></TransformedSpace>\
                <MatrixData>1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1</MatrixData>\
                </CoordinateSystemTransformMatrix>\n",
        };
        points.write(file, &coordinates)?;
        let triangles = Array {
            intent: "TRIANGLE",
            datatype: "INT32",
            rows: self.triangles.len(),
            inside: "",
        };
        triangles.write(file, &indices)?;
        writeln!(file, "</GIFTI>")
    }
}

/// A GIFTI array with three columns.
struct Array {
    intent: &'static str,
    datatype: &'static str,
    rows: usize,
    inside: &'static str,
}

impl Array {
    fn write(&self, file: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
        let Array {
            intent,
            datatype,
            rows,
            inside,
        } = self;
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes)?;
        let data = base64(&encoder.finish()?);
        writeln!(
            file,
            "<DataArray Intent=\"NIFTI_INTENT_{intent}\" DataType=\"NIFTI_TYPE_{datatype}\" \
             ArrayIndexingOrder=\"RowMajorOrder\" Dimensionality=\"2\" Dim0=\"{rows}\" Dim1=\"3\" \
             Encoding=\"GZipBase64Binary\" Endian=\"LittleEndian\" ExternalFileName=\"\" \
             ExternalFileOffset=\"\">\n<MetaData/>\n{inside}<Data>{data}</Data>\n</DataArray>"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_by_name() {
        assert_eq!(Format::of(Path::new("a.surf.gii")).unwrap(), Format::Gifti);
        assert_eq!(Format::of(Path::new("a.OBJ")).unwrap(), Format::Obj);
        assert!(Format::of(Path::new("a.stl")).is_err());
    }

    #[test]
    fn an_obj_counts_from_one() {
        let mesh = Mesh {
            vertices: vec![[0.5, 1.0, -2.0]; 3],
            triangles: vec![[0, 1, 2]],
        };
        let mut text = Vec::new();
        mesh.write(&mut text, Format::Obj).unwrap();
        let expected = "v 0.5 1 -2\nv 0.5 1 -2\nv 0.5 1 -2\nf 1 2 3\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
