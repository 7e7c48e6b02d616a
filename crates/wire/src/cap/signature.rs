//! An enveloped XML signature: SHA-256 over the canonical alert, ECDSA on the curve P-256 over what says
//! so. What is hashed and what is signed are texts made here; hash, key and signature are the caller's.

use std::fmt::Write as _;

use super::encode::put;

const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const DSIG_11: &str = "http://www.w3.org/2009/xmldsig11#";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const ECDSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const P256: &str = "urn:oid:1.2.840.10045.3.1.7";

/// What stands before the point of a P-256 key in its usual wrapping (SubjectPublicKeyInfo, RFC 5480).
const KEY_INFO_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Letters of a line of a key.
const LINE_LEN: usize = 64;
const NEVER: &str = "writing to a string cannot fail";
/// Where an alert ends: the signature comes before it.
const END: &str = "</alert>";

/// What is to be signed for an alert with that SHA-256 in base64: canonical, as it stands in the signature.
pub fn signed_info(digest: &str) -> String {
    format!(
        "<ds:SignedInfo xmlns:ds=\"{DSIG}\"><ds:CanonicalizationMethod \
         Algorithm=\"{EXCLUSIVE}\"></ds:CanonicalizationMethod><ds:SignatureMethod \
         Algorithm=\"{ECDSA_SHA256}\"></ds:SignatureMethod><ds:Reference URI=\"\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform><ds:Transform \
         Algorithm=\"{EXCLUSIVE}\"></ds:Transform></ds:Transforms><ds:DigestMethod \
         Algorithm=\"{SHA256}\"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue>\
         </ds:Reference></ds:SignedInfo>"
    )
}

/// The whole document: a canonical alert with its signature inside. Signature (two numbers of 32 bytes) and
/// key (a point, uncompressed) are in base64; the key has a name by which it is known.
pub fn signed(alert: &str, info: &str, signature: &str, key_name: &str, key: &str) -> String {
    let alert = alert.strip_suffix(END).expect("an alert ends where it ends");
    let mut xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{alert}");
    write!(xml, "<ds:Signature xmlns:ds=\"{DSIG}\">{info}").expect(NEVER);
    put(&mut xml, "ds:SignatureValue", signature);
    xml.push_str("<ds:KeyInfo>");
    put(&mut xml, "ds:KeyName", key_name);
    write!(
        xml,
        "<ds:KeyValue><dsig11:ECKeyValue xmlns:dsig11=\"{DSIG_11}\"><dsig11:NamedCurve \
         URI=\"{P256}\"></dsig11:NamedCurve><dsig11:PublicKey>{key}</dsig11:PublicKey>\
         </dsig11:ECKeyValue></ds:KeyValue></ds:KeyInfo></ds:Signature>"
    )
    .expect(NEVER);
    xml + END + "\n"
}

/// The bytes of a key in its usual wrapping, to be written in base64.
fn wrapped(point: &[u8]) -> Vec<u8> {
    [&KEY_INFO_HEAD, point].concat()
}

/// A public key as programs read it (PEM). `base64` writes bytes as such.
pub fn key_pem(point: &[u8], base64: impl Fn(&[u8]) -> String) -> String {
    let text = base64(&wrapped(point));
    let lines = text.as_bytes().chunks(LINE_LEN).map(String::from_utf8_lossy);
    let lines: Vec<_> = lines.collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}
