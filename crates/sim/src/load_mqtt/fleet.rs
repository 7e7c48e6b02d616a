//! Devices on sockets that do not block, all on one poll: CONNECT, PUBLISH and PUBACK of MQTT 3.1.1,
//! and no more of it than that.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::histogram::Histogram;
use crate::workload::Messages;

/// Events taken at a time.
const EVENTS_MAX: usize = 2_048;
/// Everybody is connected within this, even when all come at once on a busy machine.
const CONNECT_PATIENCE: Duration = Duration::from_mins(2);
/// The wait of a turn in which nothing happens.
const TURN: Duration = Duration::from_millis(1);
/// Connections begun before it is looked what became of them.
const CONNECTS: usize = 256;
/// CONNACK of a client that is welcome.
const WELCOME: [u8; 4] = [0x20, 2, 0, 0];

/// One device.
struct Device<'a> {
    stream: TcpStream,
    messages: &'a Messages,
    /// Which of its messages comes next.
    next: usize,
    /// When the message of each packet id (from 1) was sent.
    sent: Box<[Instant]>,
    /// The beginning of an acknowledgement that came in part.
    part: Vec<u8>,
    /// What the socket did not take.
    unsent: Vec<u8>,
    is_open: bool,
}

/// The devices of one thread.
pub(super) struct Fleet<'a> {
    poll: Poll,
    events: Events,
    devices: Vec<Device<'a>>,
    scratch: Vec<u8>,
    lost: u64,
}

impl<'a> Fleet<'a> {
    /// Connects all at once; returns when everyone has been welcomed.
    pub(super) fn connect(
        address: SocketAddr,
        token: &str,
        window: u16,
        share: impl Iterator<Item = &'a Messages>,
    ) -> Result<Self> {
        let mut fleet = Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            devices: Vec::new(),
            scratch: Vec::new(),
            lost: 0,
        };
        let (now, mut welcome) = (Instant::now(), 0);
        for messages in share {
            fleet.add(address, token, window, messages)?;
            if fleet.devices.len().is_multiple_of(CONNECTS) {
                welcome += fleet.greet(Duration::ZERO)?;
            }
        }
        while welcome < fleet.devices.len() {
            ensure!(now.elapsed() < CONNECT_PATIENCE, "only {welcome} are welcome");
            welcome += fleet.greet(Duration::from_secs(1))?;
        }
        Ok(fleet)
    }

    fn add(
        &mut self,
        address: SocketAddr,
        token: &str,
        window: u16,
        messages: &'a Messages,
    ) -> Result<()> {
        let place = self.devices.len();
        let mut stream =
            TcpStream::connect(address).with_context(|| format!("connection {place}"))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(place), interest)?;
        self.devices.push(Device {
            stream,
            messages,
            next: 0,
            sent: vec![Instant::now(); usize::from(window)].into(),
            part: Vec::new(),
            unsent: connect_packet(messages.device(), token),
            is_open: false,
        });
        Ok(())
    }

    /// Sends CONNECT where a connection stands; how many were welcomed.
    fn greet(&mut self, wait: Duration) -> Result<usize> {
        let mut welcome = 0;
        self.poll.poll(&mut self.events, Some(wait))?;
        for event in &self.events {
            let device = &mut self.devices[event.token().0];
            if event.is_writable() && !device.unsent.is_empty() {
                device.stream.set_nodelay(true)?;
                device.flush()?;
            }
            if event.is_readable() && !device.is_open {
                device.is_open = device.read_welcome()?;
                welcome += usize::from(device.is_open);
            }
        }
        Ok(welcome)
    }

    /// All places and slots, one slot of everybody first.
    pub(super) fn everybody(&self) -> VecDeque<(u32, u16)> {
        let window = self.devices.first().map_or(0, |device| device.sent.len());
        let slots = 0..u16::try_from(window).unwrap_or(u16::MAX);
        let places = 0..u32::try_from(self.devices.len()).unwrap_or(u32::MAX);
        slots.flat_map(|slot| places.clone().map(move |place| (place, slot))).collect()
    }

    /// Everybody sends a window's worth.
    pub(super) fn send_first(&mut self) -> Result<()> {
        let now = Instant::now();
        let time = time_digits();
        for device in &mut self.devices {
            self.scratch.clear();
            for slot in 0..device.sent.len() {
                device.put(slot, now, &time, &mut self.scratch);
            }
            device.send(&self.scratch)?;
        }
        Ok(())
    }

    pub(super) fn send_one(&mut self, place: u32, slot: u16) -> Result<()> {
        let device = &mut self.devices[place as usize];
        self.scratch.clear();
        device.put(usize::from(slot), Instant::now(), &time_digits(), &mut self.scratch);
        device.send(&self.scratch)
    }

    /// Reads what has come. Whoever was acknowledged sends again, or gets in line in `idle`.
    pub(super) fn turn(
        &mut self,
        mut times: Option<&mut Histogram>,
        mut idle: Option<&mut VecDeque<(u32, u16)>>,
    ) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(TURN)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            outcome => outcome?,
        }
        let time = time_digits();
        let mut chunk = [0; 4_096];
        for event in &self.events {
            let place = event.token().0;
            let device = &mut self.devices[place];
            if event.is_writable() {
                device.flush()?;
            }
            if !event.is_readable() || !device.is_open {
                continue;
            }
            let Some(len) = device.read(&mut chunk)? else {
                if !device.is_open {
                    self.lost += 1;
                }
                continue;
            };
            let now = Instant::now();
            self.scratch.clear();
            device.acknowledged(&chunk[..len], |device, slot| {
                if let Some(times) = &mut times {
                    times.note(now.duration_since(device.sent[slot]));
                }
                match &mut idle {
                    Some(idle) => idle.push_back((
                        u32::try_from(place).unwrap_or(u32::MAX),
                        u16::try_from(slot).unwrap_or(u16::MAX),
                    )),
                    None => device.put(slot, now, &time, &mut self.scratch),
                }
            })?;
            if !self.scratch.is_empty() {
                device.send(&self.scratch)?;
            }
        }
        Ok(())
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

impl Device<'_> {
    /// Adds its next message, with the packet id of that slot.
    fn put(&mut self, slot: usize, now: Instant, time: &[u8; 13], out: &mut Vec<u8>) {
        let id = u16::try_from(slot + 1).unwrap_or(u16::MAX);
        self.messages.put(self.next, id, time, out);
        self.next += 1;
        self.sent[slot] = now;
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        if self.unsent.is_empty() {
            let written = write(&mut self.stream, bytes)?;
            self.unsent.extend_from_slice(&bytes[written..]);
        } else {
            self.unsent.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if !self.unsent.is_empty() {
            let written = write(&mut self.stream, &self.unsent)?;
            self.unsent.drain(..written);
        }
        Ok(())
    }

    /// Reads once. An end closes the device.
    fn read(&mut self, chunk: &mut [u8]) -> Result<Option<usize>> {
        match self.stream.read(chunk) {
            Ok(0) => {
                self.is_open = false;
                Ok(None)
            }
            Ok(len) => Ok(Some(len)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                self.is_open = false;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn read_welcome(&mut self) -> Result<bool> {
        let mut answer = [0; 4];
        match self.stream.read(&mut answer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            outcome => {
                let len = outcome.context("the server hung up")?;
                ensure!(len == 4 && answer == WELCOME, "not welcome: {:?}", &answer[..len]);
                Ok(true)
            }
        }
    }

    /// Calls with the slot of every acknowledgement.
    fn acknowledged(&mut self, bytes: &[u8], mut each: impl FnMut(&mut Self, usize)) -> Result<()> {
        let mut joined = std::mem::take(&mut self.part);
        let bytes = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            &joined
        };
        let mut packets = bytes.chunks_exact(4);
        for packet in packets.by_ref() {
            let id = u16::from_be_bytes([packet[2], packet[3]]);
            let known = packet[..2] == [0x40, 2] && id > 0 && usize::from(id) <= self.sent.len();
            ensure!(known, "the server sent {packet:?}");
            each(self, usize::from(id - 1));
        }
        self.part = packets.remainder().to_vec();
        Ok(())
    }
}

fn write(stream: &mut TcpStream, bytes: &[u8]) -> Result<usize> {
    match stream.write(bytes) {
        Ok(len) => Ok(len),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(error).context("the server hung up"),
    }
}

fn time_digits() -> [u8; 13] {
    let text = format!("{:013}", crate::load::now_ms());
    *text.as_bytes().first_chunk().expect("thirteen digits")
}

fn connect_packet(device: &str, token: &str) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0b1100_0010, 1, 44];
    for text in [device, device, token] {
        body.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
        body.extend_from_slice(text.as_bytes());
    }
    crate::workload::packet(0x10, &body)
}
