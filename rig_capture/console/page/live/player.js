// Runs in the browser's audio thread: a queue of blocks, played in order.

/** So much is gathered before it plays, so that blocks may come unevenly; more than the longest is cut, so that what is heard is now. */
const GATHERED_S = 0.15;
const LONGEST_S = 0.6;

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.blocks = [];
    this.offset = 0;
    this.waiting = 0;
    this.playing = false;
    this.port.onmessage = ({ data }) => this.take(data);
  }

  /** Takes a block; null forgets all that waits. */
  take(block) {
    if (block === null) {
      this.blocks = [];
      this.offset = this.waiting = 0;
      this.playing = false;
      return;
    }
    this.blocks.push(block);
    this.waiting += block.length;
    while (this.waiting > LONGEST_S * sampleRate && this.blocks.length > 1) {
      this.waiting -= this.blocks.shift().length - this.offset;
      this.offset = 0;
    }
    if (this.waiting >= GATHERED_S * sampleRate) this.playing = true;
  }

  process(_inputs, [[output]]) {
    let filled = 0;
    while (this.playing && filled < output.length) {
      const block = this.blocks[0];
      if (!block) {
        this.playing = false;
        break;
      }
      const part = block.subarray(this.offset, this.offset + output.length - filled);
      output.set(part, filled);
      filled += part.length;
      this.offset += part.length;
      this.waiting -= part.length;
      if (this.offset >= block.length) {
        this.blocks.shift();
        this.offset = 0;
      }
    }
    return true;
  }
}

registerProcessor("player", Player);
