//! Photos with camera data, of other kinds, and what is no photo.

use super::*;

/// A small JPEG with GPS data and words that must not come out again.
fn with_camera_data() -> Vec<u8> {
    let mut jpeg = Vec::new();
    let picture = DynamicImage::new_rgb8(40, 20).into_rgb8();
    JpegEncoder::new_with_quality(&mut jpeg, 90).encode_image(&picture).unwrap();
    let tiff = tiff();
    let length = u16::try_from(2 + 6 + tiff.len()).unwrap().to_be_bytes();
    let mut photo = jpeg[..2].to_vec();
    photo.extend([0xff, 0xe1]);
    photo.extend(length);
    photo.extend(b"Exif\0\0");
    photo.extend(tiff);
    photo.extend(&jpeg[2..]);
    photo.extend(b"secret words behind the end");
    photo
}

/// 29°33'36" N, 106°34'12" E, turned by a quarter, made by `Zhang Phone`.
fn tiff() -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        let mut bytes = tag.to_le_bytes().to_vec();
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value);
        bytes
    };
    let at = |offset: u32| offset.to_le_bytes();
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    // First directory at 8: three entries end at 8 + 2 + 36 + 4 = 50; GPS follows after the maker.
    tiff.extend(3_u16.to_le_bytes());
    tiff.extend(entry(0x010f, 2, 12, at(50)));
    tiff.extend(entry(0x0112, 3, 1, [6, 0, 0, 0]));
    tiff.extend(entry(0x8825, 4, 1, at(62)));
    tiff.extend(at(0));
    tiff.extend(b"Zhang Phone\0");
    // GPS directory at 62: four entries end at 62 + 2 + 48 + 4 = 116.
    tiff.extend(4_u16.to_le_bytes());
    tiff.extend(entry(1, 2, 2, *b"N\0\0\0"));
    tiff.extend(entry(2, 5, 3, at(116)));
    tiff.extend(entry(3, 2, 2, *b"E\0\0\0"));
    tiff.extend(entry(4, 5, 3, at(140)));
    tiff.extend(at(0));
    for part in [29_u32, 33, 36, 106, 34, 12] {
        tiff.extend(part.to_le_bytes());
        tiff.extend(1_u32.to_le_bytes());
    }
    tiff
}

#[test]
fn a_photo_gives_its_place_is_turned_upright_and_keeps_nothing_of_the_camera() {
    let folder = tempfile::tempdir().unwrap();
    let photos = Photos::new(folder.path().join("photos"));
    let kept = photos.take(&with_camera_data()).unwrap();
    let [longitude, latitude] = kept.position.unwrap();
    assert!((longitude - 106.57).abs() < 1e-9 && (latitude - 29.56).abs() < 1e-9);
    let bytes = photos.read(&kept.hash).unwrap();
    for mark in [&b"Exif"[..], b"Zhang", b"secret"] {
        assert!(!bytes.windows(mark.len()).any(|part| part == mark));
    }
    let picture = image::load_from_memory(&bytes).unwrap();
    assert_eq!((picture.width(), picture.height()), (20, 40));
    assert_eq!(photos.take(&with_camera_data()).unwrap().hash, kept.hash);
    assert!(photos.has(&kept.hash));
}

#[test]
fn what_is_no_photo_or_asks_for_too_much_memory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let photos = Photos::new(folder.path().to_owned());
    for bad in [&b""[..], b"GIF89a", b"<svg xmlns='x'/>", b"\xff\xd8\xff\xe0 cut"] {
        assert_eq!(photos.take(bad).unwrap_err().code.number, error::PHOTO_UNREADABLE.number);
    }
    assert!(photos.take(&vec![0; PHOTO_BYTES_MAX + 1]).is_err());
    // A header that promises sixty thousand columns.
    let mut wide = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    wide.extend([0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60, 8, 2, 0, 0, 0, 0, 0, 0, 0]);
    assert!(photos.take(&wide).is_err());
    assert_eq!(photos.read("../../etc/passwd"), None);
    assert_eq!(photos.read(&"0".repeat(64)), None);
}

proptest::proptest! {
    #[test]
    fn spoiled_photos_are_refused_or_read_and_never_stop_the_program(at in 0..400_usize, byte: u8) {
        let mut photo = with_camera_data();
        let at = at % photo.len();
        photo[at] = byte;
        let _ = draw(&photo);
    }
}

fn named(hash: &str) -> chengmai_model::case::Photo {
    let kind = chengmai_model::case::PhotoKind::Near;
    chengmai_model::case::Photo { kind, hash: hash.to_owned(), at: None, position: None }
}

fn hours(count: u64) -> std::time::SystemTime {
    std::time::SystemTime::now() + std::time::Duration::from_hours(count)
}

#[test]
fn what_no_step_names_is_removed_after_a_day_and_what_one_named_never() {
    let folder = tempfile::tempdir().unwrap();
    let photos = Photos::new(folder.path().join("photos"));
    assert_eq!(photos.remove_unused(hours(0)).unwrap(), [""; 0], "there is nothing yet");
    let picture = |side| {
        let mut png = Cursor::new(Vec::new());
        DynamicImage::new_rgb8(side, side).write_to(&mut png, ImageFormat::Png).unwrap();
        photos.take(&png.into_inner()).unwrap().hash
    };
    let (used, unused) = (picture(8), picture(16));
    photos.name(&[named(&used)]).unwrap();
    assert_eq!(photos.remove_unused(hours(23)).unwrap(), [""; 0], "its day is not over");
    assert_eq!(photos.remove_unused(hours(25)).unwrap(), std::slice::from_ref(&unused));
    assert!(photos.has(&used) && !photos.has(&unused));
    assert_eq!(photos.remove_unused(hours(25)).unwrap(), [""; 0], "it is told once");
    // Named too late: refused by its number, and sent again it waits anew.
    let late = photos.name(&[named(&unused)]).unwrap_err();
    assert_eq!(late.code.number, error::PHOTO_REQUIRED.number);
    assert_eq!(picture(16), unused);
    photos.name(&[named(&unused)]).unwrap();
    // The same picture sent once more stays as named as it was.
    assert_eq!(picture(8), used);
    assert_eq!(photos.remove_unused(hours(1_000)).unwrap(), [""; 0]);
    assert!(photos.has(&used) && photos.has(&unused));
}
