//! Photos as they are kept: by the SHA-256 of what is kept, in the data folder.
//!
//! Every photo is drawn anew from its pixels, turned upright, and written as a JPEG: nothing of the
//! camera's own data, no second picture and no bytes behind the end can come along. Where it was
//! taken is read before and handed to whoever asked; it is not kept here.
//! Invariants: a file's name is the hash of its bytes; a photo is on disk when its hash is given out; one
//! that a step names stays ([`unused`]).

pub(crate) mod unused;

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chengmai_model::error;
use exif::{In, Tag, Value};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::accounts::hex;
use crate::city::internal;
use crate::http::problem::{Answer, Problem};

/// Largest photo taken in.
pub(crate) const PHOTO_BYTES_MAX: usize = 12 << 20;
/// Longest side of a photo taken in.
const SIDE_MAX: u32 = 12_000;
/// Most memory that drawing one may take.
const MEMORY_BYTES_MAX: u64 = 512 << 20;
/// Longest side of a photo as it is kept.
const KEPT_SIDE: u32 = 1_600;
/// Quality of a photo as it is kept, of 100.
const KEPT_QUALITY: u8 = 82;

/// A photo that was taken in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    /// SHA-256 of the kept JPEG, in hex.
    pub(crate) hash: String,
    /// Where the camera says it was taken: longitude and latitude.
    pub(crate) position: Option<[f64; 2]>,
}

/// The folder of photos.
#[derive(Debug, Clone)]
pub(crate) struct Photos {
    folder: PathBuf,
    /// Held while a photo is kept, named or removed.
    changing: Arc<Mutex<()>>,
}

impl Photos {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, changing: Arc::default() }
    }

    /// Draws a photo anew and keeps it. Blocking.
    pub(crate) fn take(&self, bytes: &[u8]) -> Answer<Kept> {
        let (picture, position) = draw(bytes)?;
        let hash = hex(&Sha256::digest(&picture));
        let path = self.path(&hash);
        let _changing = self.changing.lock();
        let kept = self
            .mark(&hash)
            .and_then(|()| if path.exists() { Ok(()) } else { keep(&path, &picture) });
        kept.map_err(|error| internal(&error))?;
        Ok(Kept { hash, position })
    }

    /// A kept photo; none when there is no such hash. Blocking.
    pub(crate) fn read(&self, hash: &str) -> Option<Vec<u8>> {
        is_hash(hash).then(|| fs::read(self.path(hash)).ok()).flatten()
    }

    /// Whether it is kept here.
    pub(crate) fn has(&self, hash: &str) -> bool {
        is_hash(hash) && self.path(hash).exists()
    }

    fn path(&self, hash: &str) -> PathBuf {
        self.folder.join(&hash[..2]).join(format!("{hash}.jpg"))
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Writes beside, syncs, and moves into place: a file that is there is whole.
fn keep(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let number = crate::accounts::random_number();
    let beside = path.with_extension(format!("{number:016x}.part"));
    let mut file = fs::File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    fs::File::open(folder)?.sync_all()
}

fn draw(bytes: &[u8]) -> Answer<(Vec<u8>, Option<[f64; 2]>)> {
    let refused = |why: String| Problem::new(&error::PHOTO_UNREADABLE, why);
    if bytes.len() > PHOTO_BYTES_MAX {
        return Err(refused(format!("{} bytes, at most {PHOTO_BYTES_MAX}", bytes.len())));
    }
    let unreadable = |error: image::ImageError| refused(error.to_string());
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|error| refused(error.to_string()))?;
    let known = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP];
    if !reader.format().is_some_and(|format| known.contains(&format)) {
        return Err(refused("neither JPEG nor PNG nor WebP".to_owned()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(MEMORY_BYTES_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    // Faulty camera data must not cost a citizen the photo.
    let position = decoder.exif_metadata().ok().flatten().and_then(position);
    let turned = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    if let Some(turned) = turned {
        picture.apply_orientation(turned);
    }
    if picture.width().max(picture.height()) > KEPT_SIDE {
        picture = picture.resize(KEPT_SIDE, KEPT_SIDE, FilterType::Triangle);
    }
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, KEPT_QUALITY);
    encoder.encode_image(&picture.into_rgb8()).map_err(unreadable)?;
    Ok((jpeg, position))
}

/// Where camera data says that it was taken.
fn position(raw: Vec<u8>) -> Option<[f64; 2]> {
    let raw = raw.strip_prefix(b"Exif\0\0").map(<[u8]>::to_vec).unwrap_or(raw);
    let data = exif::Reader::new().read_raw(raw).ok()?;
    let degrees = |tag: Tag, reference: Tag, negative: u8| {
        let Value::Rational(parts) = &data.get_field(tag, In::PRIMARY)?.value else { return None };
        let [degrees, minutes, seconds] = parts.as_slice() else { return None };
        let value = degrees.to_f64() + minutes.to_f64() / 60.0 + seconds.to_f64() / 3_600.0;
        let Value::Ascii(letters) = &data.get_field(reference, In::PRIMARY)?.value else {
            return None;
        };
        let side = *letters.first()?.first()?;
        Some(if side == negative { -value } else { value })
    };
    let longitude = degrees(Tag::GPSLongitude, Tag::GPSLongitudeRef, b'W')?;
    let latitude = degrees(Tag::GPSLatitude, Tag::GPSLatitudeRef, b'S')?;
    // Cameras without a fix write zeros.
    let is_known =
        longitude.abs() <= 180.0 && latitude.abs() <= 90.0 && (longitude, latitude) != (0.0, 0.0);
    is_known.then_some([longitude, latitude])
}

#[cfg(test)]
mod tests;
