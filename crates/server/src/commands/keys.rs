//! `chengmai keys`: the keys that personal data is sealed with.

use anyhow::Context as _;
use chengmai_store::records::Records;
use chengmai_store::seal::Keyring;

use super::{runtime, say};
use crate::city::layout::{DataFolder, keep_secret, personal_keys};
use crate::cli::{Keys, KeysWhat};

pub(crate) fn run(keys: &Keys) -> anyhow::Result<()> {
    let KeysWhat::Rotate { data, records } = &keys.what;
    let folder = DataFolder::open(&data.data)?;
    let place = records.place(&data.data)?;
    // Makes the first key where there is none.
    folder.keyring()?;
    let path = personal_keys(&data.data);
    let old = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let new = Keyring::new_line()?;
    // Both first: whatever happens from here on, one of them opens every text.
    keep_secret(&path, format!("{new}{old}").as_bytes())?;
    let done = runtime()?.block_on(async {
        let keys = folder.keyring()?;
        let records = Records::open(place).await?.with_keys(keys);
        let done = records.reseal().await?;
        records.close().await?;
        anyhow::Ok(done)
    })?;
    keep_secret(&path, new.as_bytes())?;
    say(format!(
        "sealed anew: {} citizens, {} walks, {} second factors; the old keys are forgotten",
        done.contacts, done.patrols, done.factors
    ));
    Ok(())
}
