// The one sound of the screens: two short tones for an unanswered red warning. Made here, so no file is fetched.

let context: AudioContext | null = null;

export function soundRed(): void {
  try {
    context ??= new AudioContext();
    const start = context.currentTime;
    [880, 660].forEach((pitch, i) => {
      if (!context) return;
      const tone = context.createOscillator();
      const level = context.createGain();
      const from = start + i * 0.22;
      tone.frequency.value = pitch;
      level.gain.setValueAtTime(0.0001, from);
      level.gain.exponentialRampToValueAtTime(0.25, from + 0.02);
      level.gain.exponentialRampToValueAtTime(0.0001, from + 0.2);
      tone.connect(level).connect(context.destination);
      tone.start(from);
      tone.stop(from + 0.21);
    });
  } catch {
    // A browser without sound, or one that waits for a first click, still shows the warning.
  }
}
