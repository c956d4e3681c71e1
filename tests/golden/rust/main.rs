//! Writes the files of this directory: `main DIRECTORY VERSION`. `write.py` builds it with each version of the crate.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use parcode::{Parcode, ParcodeObject};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Hue {
    Red,
    Green,
    Blue,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Circle {
    radius: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Round(Circle),
    Flat { width: u16, height: u16 },
    Path(Vec<i8>),
    Line(u8, char),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Tree {
    name: String,
    below: Vec<Tree>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ParcodeObject)]
struct Settings {
    difficulty: u8,
    #[parcode(chunkable)]
    history: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ParcodeObject)]
struct Player {
    level: u32,
    #[parcode(chunkable)]
    inventory: Vec<u16>,
    name: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, ParcodeObject)]
struct World {
    id: u64,
    name: String,
    mark: char,
    tilt: i16,
    deep: i128,
    huge: u128,
    ratio: f32,
    mass: f64,
    alive: bool,
    hue: Hue,
    shapes: Vec<Shape>,
    pair: (u8, i8),
    grid: [u16; 3],
    code: [u8; 4],
    some: Option<i64>,
    none: Option<String>,
    tags: BTreeSet<String>,
    raw: Vec<u8>,
    ids: Vec<u64>,
    heights: Vec<f32>,
    by: BTreeMap<u8, Option<bool>>,
    tree: Tree,
    #[parcode(chunkable)]
    settings: Settings,
    #[parcode(chunkable, compression = "lz4")]
    terrain: Vec<u8>,
    #[parcode(chunkable)]
    players: Vec<Player>,
    #[parcode(map)]
    heroes: HashMap<String, Player>,
    #[parcode(chunkable)]
    scores: HashMap<(u8, String), i32>,
    #[parcode(map)]
    nobody: HashMap<u64, u64>,
    #[parcode(chunkable)]
    nowhere: Vec<String>,
}

fn player(level: u32, items: u16, name: &str) -> Player {
    Player { level, inventory: (0..items).map(|n| n * 100).collect(), name: name.into() }
}

fn world() -> World {
    let leaf = Tree { name: "leaf".into(), below: vec![] };
    World {
        id: u64::MAX,
        name: "Aldermöor".into(),
        mark: '€',
        tilt: -300,
        deep: i128::MIN,
        huge: u128::MAX,
        ratio: 0.5,
        mass: 1e300,
        alive: true,
        hue: Hue::Blue,
        shapes: vec![
            Shape::Nothing,
            Shape::Round(Circle { radius: 2.5 }),
            Shape::Flat { width: 300, height: 2 },
            Shape::Path(vec![-1, 0, 127]),
            Shape::Line(7, 'x'),
        ],
        pair: (255, -128),
        grid: [1, 250, 65535],
        code: [0, 1, 254, 255],
        some: Some(-5_000_000_000),
        none: None,
        tags: ["old", "wet"].map(String::from).into(),
        raw: vec![9, 251, 0],
        ids: vec![0, 250, 251, 65536, 1 << 40],
        heights: vec![1.5, -0.25],
        by: [(3, Some(true)), (200, None)].into(),
        tree: Tree { name: "root".into(), below: vec![leaf.clone(), leaf] },
        settings: Settings { difficulty: 3, history: vec!["founded".into(), "flooded".into()] },
        terrain: vec![7; 60],
        players: vec![player(1, 2, "ann"), player(4_000_000_000, 0, "bob"), player(300, 1, "cid")],
        heroes: [("dora".to_string(), player(24, 3, "Dora")), ("eve".to_string(), player(25, 0, "Eve"))].into(),
        scores: [((1, "a".to_string()), -70_000)].into(),
        nobody: HashMap::new(),
        nowhere: vec![],
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let at = |name: &str| format!("{}/{}-{}.par", arguments[1], name, arguments[2]);
    Parcode::save(at("world"), &world()).unwrap();
    let packed = Parcode::builder().compression(true);
    #[cfg(feature = "older")] // than 0.6.0
    packed.write(at("world-lz4"), &world()).unwrap();
    #[cfg(not(feature = "older"))]
    packed.save(at("world-lz4"), &world()).unwrap();
    let buckets: HashMap<u8, u16> = (0..200).map(|n| (n, u16::from(n) * 300)).collect();
    let squares: HashMap<i32, i64> = (0..6100).map(|n| (n - 3000, i64::from(n) * i64::from(n))).collect();
    save_maps(&at("map"), buckets, &at("wide"), squares);
    Parcode::save(at("players"), &world().players).unwrap();
}

#[derive(Clone, Debug, Serialize, Deserialize, ParcodeObject)]
struct Map {
    #[parcode(map)]
    pairs: HashMap<u8, u16>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ParcodeObject)]
struct Wide {
    #[parcode(map)]
    pairs: HashMap<i32, i64>,
}

/// `wide` has several buckets, and is too large to be kept: it is written where cargo runs.
fn save_maps(small: &str, buckets: HashMap<u8, u16>, wide: &str, squares: HashMap<i32, i64>) {
    Parcode::save(small, &Map { pairs: buckets }).unwrap();
    Parcode::save(wide, &Wide { pairs: squares }).unwrap();
}
