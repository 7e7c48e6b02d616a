// Pictures the map needs, drawn on a canvas so that nothing is fetched: graded warning signs, device marks, hatching.
import type { Map as GlMap } from "maplibre-gl";
import type { Severity } from "@/api/types";
import { SEVERITIES, SEVERITY_COLOUR, SEVERITY_PATH } from "@/lib/severity";

const RATIO = 2;

function draw(size: number, paint: (context: CanvasRenderingContext2D) => void): ImageData | null {
  const canvas = document.createElement("canvas");
  canvas.width = size * RATIO;
  canvas.height = size * RATIO;
  const context = canvas.getContext("2d");
  if (!context) return null;
  context.scale(RATIO, RATIO);
  paint(context);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

function warningSign(severity: Severity, edge: string): ImageData | null {
  const size = 18 + severity * 2;
  return draw(size + 6, (context) => {
    context.translate(3, 3);
    context.scale(size / 16, size / 16);
    const path = new Path2D(SEVERITY_PATH[severity]);
    context.lineJoin = "round";
    context.lineWidth = 3;
    context.strokeStyle = edge;
    context.stroke(path);
    context.fillStyle = SEVERITY_COLOUR[severity];
    context.fill(path);
    context.fillStyle = severity === 2 ? "#1d2b27" : "#ffffff";
    context.fillRect(7.2, severity === 2 ? 6 : 4.2, 1.6, 4.6);
    context.fillRect(7.2, severity === 2 ? 11.4 : 10, 1.6, 1.6);
  });
}

function deviceMark(status: number, ink: string, ground: string): ImageData | null {
  return draw(14, (context) => {
    context.lineWidth = 1.6;
    context.strokeStyle = status === 0 ? ground : ink;
    context.fillStyle = status === 0 ? ink : ground;
    context.beginPath();
    if (status === 2) context.rect(3.5, 3.5, 7, 7);
    else context.arc(7, 7, 4, 0, 7);
    context.fill();
    context.stroke();
    if (status === 2) {
      context.beginPath();
      context.moveTo(5, 5);
      context.lineTo(9, 9);
      context.moveTo(9, 5);
      context.lineTo(5, 9);
      context.stroke();
    }
  });
}

function hatching(ink: string): ImageData | null {
  return draw(8, (context) => {
    context.strokeStyle = ink;
    context.lineWidth = 1;
    context.beginPath();
    for (const offset of [-8, 0, 8]) {
      context.moveTo(offset, 8);
      context.lineTo(offset + 8, 0);
    }
    context.stroke();
  });
}

export const DEVICE_ICONS = ["device-online", "device-offline", "device-fault", "device-never"];

export function addIcons(map: GlMap, colours: { ink: string; ground: string; hatch: string }): void {
  const add = (name: string, image: ImageData | null): void => {
    if (image && !map.hasImage(name)) map.addImage(name, image, { pixelRatio: RATIO });
  };
  for (const severity of SEVERITIES) add(`warning-${severity}`, warningSign(severity, colours.ground));
  DEVICE_ICONS.forEach((name, status) => add(name, deviceMark(status, colours.ink, colours.ground)));
  add("hatch", hatching(colours.hatch));
}
