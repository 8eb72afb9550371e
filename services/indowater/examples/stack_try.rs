//! scratch
use indowater::stack::*;
use std::time::Instant;
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = std::env::args().nth(1).unwrap();
    let t = Instant::now();
    let progress = Progress::new(move |s| println!("{:?} {s:?}", t.elapsed()));
    let folder = DataFolder::open(dir.as_ref()).await?;
    println!("{:?} opened", t.elapsed());
    let mut stack = Stack::start(&folder, &StackOptions::default(), &progress).await?;
    println!("{:?} up {} {} pids {} {}", t.elapsed(), stack.kafka.bootstrap(), stack.mongodb.uri(), stack.kafka.process().pid(), stack.mongodb.process().pid());
    match std::env::args().nth(2).as_deref() {
        Some("restart") => {
            let t = Instant::now();
            stack.mongodb.restart().await?; println!("mongo restart {:?}", t.elapsed());
            let t = Instant::now();
            stack.mongodb.kill().await; stack.mongodb.restart().await?; println!("mongo kill+restart {:?}", t.elapsed());
            let t = Instant::now();
            stack.kafka.restart().await?; println!("kafka restart {:?}", t.elapsed());
            let t = Instant::now();
            stack.kafka.kill().await; stack.kafka.restart().await?; println!("kafka kill+restart {:?}", t.elapsed());
        }
        Some("wait") => std::future::pending().await,
        _ => {}
    }
    let t = Instant::now();
    stack.stop().await;
    println!("stopped {:?}", t.elapsed());
    Ok(())
}
