//! Measures the crate `parcode` on the worlds of `benchmarks/worlds.py`, inside this process.
//!
//! `parcode-rust-peer WORLD ROWS` reads the world, as MessagePack, and makes a roster of ROWS players from it. Then
//! each line of the input asks for one step, as `step TAB path TAB key TAB key ...`. The answer is a line with the
//! seconds of the step and a number that says what was read: the caller compares it with its own.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::time::Instant;

use parcode::{Parcode, ParcodeObject};
use serde::{Deserialize, Serialize};

type Failure = Box<dyn std::error::Error>;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Rules {
    permadeath: bool,
    friendly_fire: bool,
    max_party: u32,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ParcodeObject)]
struct Settings {
    difficulty: u32,
    seed: u64,
    motto: String,
    rules: Rules,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ParcodeObject)]
struct Player {
    id: u32,
    name: String,
    level: u32,
    score: f64,
    email: Option<String>,
    items: Vec<u32>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ParcodeObject)]
struct World {
    id: u32,
    name: String,
    #[parcode(chunkable)]
    settings: Settings,
    #[parcode(chunkable)]
    #[serde(with = "serde_bytes")]
    terrain: Vec<u8>,
    #[parcode(map)]
    players: HashMap<String, Player>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ParcodeObject)]
struct Roster {
    name: String,
    #[parcode(chunkable)]
    players: Vec<Player>,
}

/// The world's players in the order of their numbers, again and again, numbered through.
fn roster(world: &World, rows: usize) -> Roster {
    let mut players: Vec<&Player> = world.players.values().collect();
    players.sort_by_key(|player| player.id);
    let numbered = players.into_iter().cycle().take(rows).zip(0..);
    Roster {
        name: "roster".into(),
        players: numbered
            .map(|(player, id)| Player {
                id,
                ..player.clone()
            })
            .collect(),
    }
}

/// Seconds of one step and its result, which dies after the clock stopped.
fn clock<T>(step: impl FnOnce() -> Result<T, Failure>) -> Result<(f64, T), Failure> {
    let start = Instant::now();
    let result = step()?;
    Ok((start.elapsed().as_secs_f64(), result))
}

/// The median of as many runs as fit 0.1 s, at most `most`; `before` runs before each.
fn repeated(
    most: usize,
    mut before: impl FnMut(),
    step: impl Fn() -> Result<u64, Failure>,
) -> Result<(f64, u64), Failure> {
    let (mut samples, mut told) = (Vec::new(), 0);
    while samples.is_empty() || (samples.len() < most && samples.iter().sum::<f64>() < 0.1) {
        before();
        let (seconds, found) = clock(&step)?;
        samples.push(seconds);
        told = found;
    }
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    let median = if samples.len() % 2 == 1 {
        samples[middle]
    } else {
        (samples[middle - 1] + samples[middle]) / 2.0
    };
    Ok((median, told))
}

fn open_field(path: &str) -> Result<u64, Failure> {
    let file = Parcode::open(path)?;
    Ok(u64::from(file.root::<World>()?.settings.difficulty))
}

fn lookups(path: &str, keys: &[String]) -> Result<(f64, u64), Failure> {
    let file = Parcode::open(path)?;
    let world = file.root::<World>()?;
    let (seconds, levels) = clock(|| {
        let mut levels = 0;
        for key in keys {
            levels += u64::from(world.players.get(key)?.ok_or("no such player")?.level);
        }
        Ok(levels)
    })?;
    Ok((seconds / keys.len() as f64, levels))
}

fn stream(path: &str) -> Result<u64, Failure> {
    let file = Parcode::open(path)?;
    let mut levels = 0;
    for player in file.root::<Roster>()?.players.iter()? {
        levels += u64::from(player?.level);
    }
    Ok(levels)
}

fn step(
    what: &str,
    path: &str,
    keys: &[String],
    world: &World,
    roster: &Roster,
    sweep: &[u8],
) -> Result<(f64, u64), Failure> {
    Ok(match what {
        "save" => (
            clock(|| Ok(Parcode::save(path, world)?))?.0,
            world.players.len() as u64,
        ),
        "field" => repeated(50, || (), || open_field(path))?,
        "swept" => repeated(9, || swept(sweep), || open_field(path))?,
        "lookup" => lookups(path, keys)?,
        "load" => {
            let (seconds, loaded) = clock(|| Ok(Parcode::load::<World, _>(path)?))?;
            (
                seconds,
                if loaded == *world {
                    world.players.len() as u64
                } else {
                    0
                },
            )
        }
        "write" => (
            clock(|| Ok(Parcode::save(path, roster)?))?.0,
            roster.players.len() as u64,
        ),
        "read" => {
            let (seconds, loaded) = clock(|| Ok(Parcode::load::<Roster, _>(path)?))?;
            (
                seconds,
                if loaded == *roster {
                    roster.players.len() as u64
                } else {
                    0
                },
            )
        }
        "stream" => clock(|| stream(path))?,
        _ => return Err(format!("no such step: {what}").into()),
    })
}

/// Reads more bytes than the processor's caches hold.
fn swept(bytes: &[u8]) {
    std::hint::black_box(bytes.iter().filter(|byte| **byte == 1).count());
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, world, rows] = arguments.as_slice() else {
        return Err("usage: parcode-rust-peer WORLD ROWS".into());
    };
    let world: World = rmp_serde::from_read(BufReader::new(File::open(world)?))?;
    let roster = roster(&world, rows.parse()?);
    let sweep = vec![2_u8; 64 << 20];
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut parts = line.split('\t');
        let (what, path) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let keys: Vec<String> = parts.map(str::to_owned).collect();
        let (seconds, told) = step(what, path, &keys, &world, &roster, &sweep)?;
        writeln!(out, "{seconds:e} {told}")?;
        out.flush()?;
    }
    Ok(())
}
