/**
 * The thread of `loadProgramAside`: loads one program, says its descriptor, and ends.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { loadProgramHere, type LoadAnswer, type LoadTask } from './program-load.ts'

function answer(): LoadAnswer {
  try {
    return { fd: loadProgramHere(workerData as LoadTask) }
  } catch (error) {
    return { refusal: error instanceof Error ? error.message : String(error) }
  }
}

parentPort!.postMessage(answer())
