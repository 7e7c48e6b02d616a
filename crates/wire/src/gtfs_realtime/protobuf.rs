//! The bytes of Protocol Buffers, one field at a time: numbers, eight bytes, four bytes, and bytes with their
//! length before them.
//!
//! What it is not: it knows no message, copies nothing and goes into nothing; whoever knows that bytes are a
//! message reads them with a reader of their own. Groups, which the standard gave up, are refused. Invariant: it
//! never reads beyond its bytes and always gets on or ends.

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Number(u64),
    Eight([u8; 8]),
    Four([u8; 4]),
    Bytes(Part<'a>),
}

/// Bytes and where they stand in the whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

/// Where the bytes are broken, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) at: usize,
    pub(super) zh: &'static str,
    pub(super) en: &'static str,
}

/// Reads the fields of one message.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    part: Part<'a>,
    next: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(part: Part<'a>) -> Self {
        Self { part, next: 0 }
    }

    /// The next field's number and what it holds.
    pub(super) fn field(&mut self) -> Result<Option<(u64, Value<'a>)>, Broken> {
        if self.next == self.part.bytes.len() {
            return Ok(None);
        }
        let start = self.next;
        let key = self.number()?;
        let field = key >> 3;
        if field == 0 || field >= 1 << 29 {
            return Err(self.broken(
                start,
                "字段编号无效",
                "a field has a number that there is not",
            ));
        }
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => Value::Eight(self.fixed()?),
            2 => {
                let length = self.number()?;
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Four(self.fixed()?),
            _ => {
                return Err(self.broken(
                    start,
                    "字段类型无效",
                    "a field is of a type that is not read",
                ));
            }
        };
        Ok(Some((field, value)))
    }

    /// A number in groups of seven bits, the lowest first.
    fn number(&mut self) -> Result<u64, Broken> {
        let start = self.next;
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let Some(&byte) = self.part.bytes.get(self.next) else {
                return Err(self.broken(
                    self.next,
                    "报文在数字中中断",
                    "the message ends within a number",
                ));
            };
            self.next += 1;
            // Of the tenth byte one bit is left.
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.broken(start, "数字超过 64 位", "a number is longer than 64 bits"))
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let at = self.next;
        let part = self.take(N)?;
        let short = || self.broken(at, "报文在字段中中断", "the message ends within a field");
        part.bytes.try_into().map_err(|_| short())
    }

    fn take(&mut self, length: usize) -> Result<Part<'a>, Broken> {
        let rest = &self.part.bytes[self.next..];
        let Some(bytes) = rest.get(..length) else {
            return Err(self.broken(
                self.next,
                "报文在字段中中断",
                "the message ends within a field",
            ));
        };
        let part = Part { bytes, at: self.part.at + self.next };
        self.next += length;
        Ok(part)
    }

    const fn broken(&self, at: usize, zh: &'static str, en: &'static str) -> Broken {
        Broken { at: self.part.at + at, zh, en }
    }
}
